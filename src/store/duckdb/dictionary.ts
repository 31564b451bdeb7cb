import { finish32, mix32 } from '../../base/hash.ts';
import type { ListColumn } from '../../flow/batch.ts';
import { type InternTable, type InternTables, MISSING } from '../../flow/intern.ts';
import { LIST_SEPARATOR } from '../../query/sql.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';

const ID_MAX = 0xffffffff;

/**
 * A dictionary of the current partition: assigns ids, and keeps entries that are not written yet.
 */
export class Dictionary {
  readonly name: string;
  /** Entries that the next commit writes. */
  readonly pendingIds: number[] = [];
  readonly pendingTexts: string[] = [];
  #last: number;

  constructor(name: string, lastId: number) {
    this.name = name;
    this.#last = lastId;
  }

  get last(): number {
    return this.#last;
  }

  add(text: string): number {
    if (this.#last === ID_MAX) {
      throw storeError(
        STORE_ERRORS.ids,
        `all ids of the store's ${this.name} are used up; begin a new data folder`,
      );
    }
    this.#last++;
    this.pendingIds.push(this.#last);
    this.pendingTexts.push(text);
    return this.#last;
  }

  written(): void {
    this.pendingIds.length = 0;
    this.pendingTexts.length = 0;
  }
}

/** Ids of the store by ids of an intern table, for one generation and one partition. */
export class IdMap {
  readonly #dictionary: Dictionary;
  #ids = new Uint32Array(1024);

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  clear(): void {
    this.#ids.fill(0);
  }

  /** Translates `count` ids of the rows, or of the selected rows, from `from` on. */
  translate(
    table: InternTable,
    source: Uint32Array,
    selection: Uint32Array | undefined,
    from: number,
    target: Uint32Array,
    count: number,
  ): void {
    if (table.size >= this.#ids.length) {
      const ids = new Uint32Array(Math.max(table.size + 1, this.#ids.length * 2));
      ids.set(this.#ids);
      this.#ids = ids;
    }
    const ids = this.#ids;
    for (let i = 0; i < count; i++) {
      const value = source[selection === undefined ? from + i : selection[from + i]!]!;
      let id = ids[value]!;
      if (id === MISSING && value !== MISSING) {
        id = this.#dictionary.add(table.text(value));
        ids[value] = id;
      }
      target[i] = id;
    }
  }
}

/** Distinct lists that are remembered; beyond this all are forgotten and get new ids. */
const LISTS_MAX = 65_536;
const LIST_SLOTS = LISTS_MAX * 2;

/** Ids of whole lists: a list is one text of the dictionary, made when it is first seen. */
export class ListMap {
  readonly #dictionary: Dictionary;
  readonly #slots = new Uint32Array(LIST_SLOTS);
  // Entry `e`, from 1: start of its values in the arena, their number, and its id.
  readonly #starts = new Uint32Array(LISTS_MAX + 1);
  readonly #lengths = new Uint32Array(LISTS_MAX + 1);
  readonly #ids = new Uint32Array(LISTS_MAX + 1);
  #arena = new Uint32Array(4096);
  #used = 0;
  #entries = 0;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  clear(): void {
    if (this.#entries === 0) return;
    this.#slots.fill(0);
    this.#entries = 0;
    this.#used = 0;
  }

  translate(
    tables: InternTables,
    column: ListColumn,
    selection: Uint32Array | undefined,
    from: number,
    target: Uint32Array,
    count: number,
  ): void {
    for (let i = 0; i < count; i++) {
      const row = selection === undefined ? from + i : selection[from + i]!;
      const start = column.offsets[row]!;
      const end = column.offsets[row + 1]!;
      target[i] = start >= end ? MISSING : this.#idOf(tables, column, start, end);
    }
  }

  #idOf(tables: InternTables, column: ListColumn, start: number, end: number): number {
    const { values } = column;
    let hash = column.kind === 'list<str>' ? 1 : 2;
    for (let i = start; i < end; i++) hash = mix32(hash, values[i]!);
    const mask = LIST_SLOTS - 1;
    let slot = finish32(hash) & mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0) break;
      if (this.#same(entry, values, start, end)) return this.#ids[entry]!;
      slot = (slot + 1) & mask;
    }
    if (this.#entries === LISTS_MAX) {
      this.clear();
      return this.#idOf(tables, column, start, end);
    }
    const id = this.#dictionary.add(textOf(tables, column, start, end));
    this.#insert(slot, values, start, end, id);
    return id;
  }

  #same(entry: number, values: Uint32Array, start: number, end: number): boolean {
    if (this.#lengths[entry] !== end - start) return false;
    const base = this.#starts[entry]!;
    for (let i = start; i < end; i++) {
      if (this.#arena[base + i - start] !== values[i]) return false;
    }
    return true;
  }

  #insert(slot: number, values: Uint32Array, start: number, end: number, id: number): void {
    const length = end - start;
    if (this.#used + length > this.#arena.length) {
      const arena = new Uint32Array(Math.max(this.#used + length, this.#arena.length * 2));
      arena.set(this.#arena);
      this.#arena = arena;
    }
    const entry = ++this.#entries;
    this.#starts[entry] = this.#used;
    this.#lengths[entry] = length;
    this.#ids[entry] = id;
    this.#slots[slot] = entry;
    for (let i = start; i < end; i++) this.#arena[this.#used++] = values[i]!;
  }
}

function textOf(tables: InternTables, column: ListColumn, start: number, end: number): string {
  const members: string[] = [];
  for (let i = start; i < end; i++) {
    const value = column.values[i]!;
    members.push(column.kind === 'list<str>' ? tables.strings.text(value) : String(value));
  }
  return members.join(LIST_SEPARATOR);
}
