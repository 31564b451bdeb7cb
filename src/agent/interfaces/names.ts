import type { InternTables } from '../../flow/intern.ts';

/**
 * Interfaces that are gone and whose names are kept for the flows that are still in the kernel's
 * map; the oldest go first. Numbers of namespaces and interfaces are not soon used again.
 */
const GONE_MAX = 4096;

const UNKNOWN_INTERFACE = 'unknown';

/**
 * Names of interfaces by what the datapath knows of them: the low half of their namespace's cookie
 * and their index. Looked up for each interface of each flow, hence the memory of the last answer
 * and ids instead of texts.
 */
export class InterfaceNames {
  readonly #names = new Map<number, Map<number, string>>();
  readonly #gone: { readonly netns: number; readonly index: number; readonly name: string }[] = [];
  #ids = new Map<number, Map<number, number>>();
  #generation = 0;
  #lastNetns = -1;
  #lastIndex = -1;
  #lastId = 0;

  /** Adds or renames. */
  set(netns: number, index: number, name: string): void {
    const names = this.#names.get(netns) ?? new Map<number, string>();
    this.#names.set(netns, names);
    if (names.get(index) === name) return;
    names.set(index, name);
    this.#forgetIds();
  }

  /** The interface is gone; its name is not forgotten at once. */
  retire(netns: number, index: number): void {
    const name = this.#names.get(netns)?.get(index);
    if (name === undefined) return;
    this.#gone.push({ netns, index, name });
    if (this.#gone.length > GONE_MAX) this.#drop(this.#gone.shift()!);
  }

  nameOf(netns: number, index: number): string {
    return this.#names.get(netns)?.get(index) ?? UNKNOWN_INTERFACE;
  }

  /** Id of the name in the given tables, which is that of `unknown` for an unknown interface. */
  idOf(netns: number, index: number, tables: InternTables): number {
    if (tables.generation !== this.#generation) {
      this.#generation = tables.generation;
      this.#forgetIds();
    }
    if (netns === this.#lastNetns && index === this.#lastIndex) return this.#lastId;
    const id = this.#ids.get(netns)?.get(index) ?? this.#intern(netns, index, tables);
    this.#lastNetns = netns;
    this.#lastIndex = index;
    this.#lastId = id;
    return id;
  }

  #intern(netns: number, index: number, tables: InternTables): number {
    const name = this.#names.get(netns)?.get(index);
    if (name === undefined) return tables.strings.intern(UNKNOWN_INTERFACE);
    const id = tables.strings.intern(name);
    const ids = this.#ids.get(netns) ?? new Map<number, number>();
    this.#ids.set(netns, ids);
    ids.set(index, id);
    return id;
  }

  #forgetIds(): void {
    this.#ids = new Map();
    this.#lastNetns = -1;
    this.#lastIndex = -1;
  }

  #drop(gone: { readonly netns: number; readonly index: number; readonly name: string }): void {
    const names = this.#names.get(gone.netns);
    // Used again meanwhile, under another name or the same: then it is not gone.
    if (names?.get(gone.index) !== gone.name) return;
    names.delete(gone.index);
    if (names.size === 0) this.#names.delete(gone.netns);
    this.#forgetIds();
  }
}
