import { parseMac } from '../../base/ip.ts';
import type { InternTables } from '../../flow/intern.ts';
import { type MacPreference, prefers } from './mac-preference.ts';

/**
 * Interfaces that are gone and whose names are kept for flows still in the kernel's map; the oldest
 * go first. Numbers of namespaces and interfaces are not reused soon.
 */
const GONE_MAX = 4096;

export const UNKNOWN_INTERFACE = 'unknown';
const WORD = 2 ** 32;
/** Generations of intern tables count up from 0. */
const NEVER = -1;

interface Entry {
  readonly space: number;
  readonly index: number;
  name: string;
  mac: number;
  /** Id of the name, in the tables of `generation`. */
  id: number;
  generation: number;
}

/** All interfaces with the same number, in any namespace. */
interface Namesakes {
  readonly live: Set<Entry>;
  readonly gone: Set<Entry>;
  readonly byMac: Map<number, Entry>;
  /** Whether the fields below have to be computed again. */
  stale: boolean;
  /** The default when nothing else decides; interfaces that are still there come first. */
  any: Entry | undefined;
  /** The same for each preference, among the interfaces with its name. */
  readonly preferred: (Entry | undefined)[];
}

export interface NamesOptions {
  /** Hooks report the namespace of an interface, not only its number. */
  readonly exact: boolean;
  /** The interface to take when number and MAC do not decide; used unless `exact`. */
  readonly preferences: readonly MacPreference[];
}

/**
 * Names of interfaces by the datapath's data: the low half of their namespace's cookie and their
 * index, or the index and the flow's MAC. Looked up for each interface of each flow, so the last
 * answer is remembered, and ids replace texts.
 */
export class InterfaceNames {
  /** Whether to use `idOf`, or else `idByMac`. */
  readonly exact: boolean;
  readonly #preferences: readonly MacPreference[];
  readonly #spaces = new Map<number, Map<number, Entry>>();
  readonly #namesakes = new Map<number, Namesakes>();
  readonly #gone = new Set<Entry>();
  #generation = NEVER;
  #lastNetns = -1;
  #lastIndex = -1;
  #lastId = 0;

  constructor({ exact, preferences }: NamesOptions = { exact: true, preferences: [] }) {
    this.exact = exact;
    this.#preferences = preferences;
  }

  /** Names that are kept, of present and of former interfaces. */
  get size(): number {
    let size = 0;
    for (const entries of this.#spaces.values()) size += entries.size;
    return size;
  }

  /**
   * Adds or renames. `space` identifies the namespace: it is the value passed to `idOf` or, unless
   * names are exact, any number unique to the namespace.
   */
  set(space: number, index: number, name: string, mac = ''): void {
    const entries = this.#spaces.get(space) ?? new Map<number, Entry>();
    this.#spaces.set(space, entries);
    const known = entries.get(index);
    const key = macKey(mac);
    if (known !== undefined && !this.#gone.has(known)) {
      if (known.name === name && known.mac === key) return;
      this.#forgetNamesake(known);
    }
    // An interface that comes back gets a new entry, so that its past can be forgotten alone.
    const entry = { space, index, name, mac: key, id: 0, generation: NEVER };
    entries.set(index, entry);
    this.#addNamesake(entry);
    this.#lastNetns = -1;
  }

  /** Marks the interface as gone; its name is kept for a while. */
  retire(space: number, index: number): void {
    const entry = this.#spaces.get(space)?.get(index);
    if (entry === undefined || this.#gone.has(entry)) return;
    this.#gone.add(entry);
    const namesakes = this.#namesakes.get(index);
    if (namesakes?.live.delete(entry) === true) {
      namesakes.gone.add(entry);
      namesakes.stale = true;
    }
    const [oldest] = this.#gone;
    if (this.#gone.size > GONE_MAX && oldest !== undefined) this.#drop(oldest);
  }

  /** The name itself, for callers without tables: by either key, as `exact` selects. */
  nameOf(netns: number, index: number, low: number, high: number): string {
    const entry = this.exact
      ? this.#spaces.get(netns)?.get(index)
      : this.#entryByMac(index, low, high);
    return entry?.name ?? UNKNOWN_INTERFACE;
  }

  /** Id of the name in the given tables; an unknown interface has the id of `unknown`. */
  idOf(netns: number, index: number, tables: InternTables): number {
    if (tables.generation !== this.#generation) {
      this.#generation = tables.generation;
      this.#lastNetns = -1;
    }
    if (netns === this.#lastNetns && index === this.#lastIndex) return this.#lastId;
    const id = idIn(this.#spaces.get(netns)?.get(index), tables);
    this.#lastNetns = netns;
    this.#lastIndex = index;
    this.#lastId = id;
    return id;
  }

  /** The same by index alone; the MAC, in halves, is the flow's own end at that interface. */
  idByMac(index: number, low: number, high: number, tables: InternTables): number {
    return idIn(this.#entryByMac(index, low, high), tables);
  }

  #entryByMac(index: number, low: number, high: number): Entry | undefined {
    const namesakes = this.#namesakes.get(index);
    if (namesakes === undefined) return undefined;
    if (namesakes.stale) this.#find(namesakes);
    return this.#choose(namesakes, low, high);
  }

  #choose(namesakes: Namesakes, low: number, high: number): Entry | undefined {
    const { live, gone, byMac, preferred, any } = namesakes;
    if (live.size + gone.size === 1) return any;
    const exact = byMac.get(low + high * WORD);
    if (exact !== undefined) return exact;
    for (let at = 0; at < preferred.length; at++) {
      const entry = preferred[at];
      if (entry !== undefined && prefers(this.#preferences[at]!, low, high)) return entry;
    }
    return any;
  }

  #find(namesakes: Namesakes): void {
    const all = [...namesakes.live, ...namesakes.gone];
    namesakes.any = all[0];
    for (const [at, { name }] of this.#preferences.entries()) {
      namesakes.preferred[at] = all.find((entry) => entry.name === name);
    }
    namesakes.stale = false;
  }

  #addNamesake(entry: Entry): void {
    if (this.exact) return;
    const namesakes = this.#namesakes.get(entry.index) ?? {
      live: new Set(),
      gone: new Set(),
      byMac: new Map(),
      stale: true,
      any: undefined,
      preferred: [],
    };
    this.#namesakes.set(entry.index, namesakes);
    namesakes.live.add(entry);
    namesakes.stale = true;
    namesakes.byMac.set(entry.mac, entry);
  }

  #forgetNamesake(entry: Entry): void {
    const namesakes = this.#namesakes.get(entry.index);
    if (namesakes === undefined) return;
    namesakes.live.delete(entry);
    namesakes.gone.delete(entry);
    namesakes.stale = true;
    if (namesakes.byMac.get(entry.mac) === entry) namesakes.byMac.delete(entry.mac);
    if (namesakes.live.size + namesakes.gone.size === 0) this.#namesakes.delete(entry.index);
  }

  #drop(entry: Entry): void {
    this.#gone.delete(entry);
    this.#forgetNamesake(entry);
    const entries = this.#spaces.get(entry.space);
    // The interface may have come back meanwhile.
    if (entries?.get(entry.index) !== entry) return;
    entries.delete(entry.index);
    if (entries.size === 0) this.#spaces.delete(entry.space);
    this.#lastNetns = -1;
  }
}

function idIn(entry: Entry | undefined, tables: InternTables): number {
  if (entry === undefined) return tables.strings.intern(UNKNOWN_INTERFACE);
  if (entry.generation !== tables.generation) {
    entry.id = tables.strings.intern(entry.name);
    entry.generation = tables.generation;
  }
  return entry.id;
}

/** 48 bits as one number; 0 for a device without a link-layer address. */
function macKey(mac: string): number {
  const bytes = parseMac(mac);
  if (bytes === undefined) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return view.getUint32(0, true) + view.getUint16(4, true) * WORD;
}
