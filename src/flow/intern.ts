import { formatAddress, formatMac, parseAddress, parseMac } from '../base/ip.ts';
import { WordTable } from '../base/word-table.ts';

/**
 * Intern tables turn strings, addresses and MACs into dense ids, so that equality is an integer
 * comparison and any fact about a value is an array look-up by its id.
 *
 * Id 0 is `MISSING` in every table: the column has no value in that row. The empty string is a
 * value like any other and has an id of its own.
 */
export const MISSING = 0;

/** The common part of all intern tables: ids run from 1 to `size`. */
export interface InternTable {
  readonly size: number;
  text(id: number): string;
  /** The id of a value given as text, adding it; `MISSING` when the text is not such a value. */
  internText(text: string): number;
  /** The id of a value given as text, or `MISSING` when it was never seen. */
  find(text: string): number;
}

/** Strings by content. */
export class StringTable implements InternTable {
  readonly #ids = new Map<string, number>();
  readonly #texts: string[] = [''];

  get size(): number {
    return this.#texts.length - 1;
  }

  intern(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#texts.length;
    this.#texts.push(text);
    this.#ids.set(text, id);
    return id;
  }

  internText(text: string): number {
    return this.intern(text);
  }

  find(text: string): number {
    return this.#ids.get(text) ?? MISSING;
  }

  text(id: number): string {
    return this.#texts[id] ?? '';
  }
}

/** Texts whose ids are remembered, so that they need not be parsed again. */
const TEXTS_MAX = 65_536;

/** Ids of texts that were parsed lately. It is emptied when it is full. */
class TextMemo {
  readonly #ids = new Map<string, number>();

  get(text: string): number | undefined {
    return this.#ids.get(text);
  }

  set(text: string, id: number): number {
    if (this.#ids.size >= TEXTS_MAX) this.#ids.clear();
    this.#ids.set(text, id);
    return id;
  }
}

const ADDRESS_WORDS = 4;
// ::ffff:0:0/96, as little-endian words.
const MAPPED_WORD = 0xffff0000;

/** Addresses of 16 bytes, IPv4 is kept as ::ffff:a.b.c.d, as the eBPF programs store it. */
export class AddressTable implements InternTable {
  readonly #table = new WordTable(ADDRESS_WORDS);
  readonly #texts: string[] = [];
  readonly #scratch = new Uint32Array(ADDRESS_WORDS);
  readonly #parsed = new TextMemo();

  get size(): number {
    return this.#table.size;
  }

  /** Interns the 16 bytes at `words[at .. at + 4]`. The unspecified address is a value too. */
  internWords(words: Uint32Array, at: number): number {
    return this.#table.put(words, at);
  }

  internText(text: string): number {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    if (!this.#load(text)) return MISSING;
    return this.#parsed.set(text, this.internWords(this.#scratch, 0));
  }

  find(text: string): number {
    return this.#load(text) ? this.#table.find(this.#scratch, 0) : MISSING;
  }

  /** One of the four little-endian words of an address. */
  word(id: number, index: number): number {
    return this.#table.word(id, index);
  }

  isV4(id: number): boolean {
    return this.word(id, 0) === 0 && this.word(id, 1) === 0 && this.word(id, 2) === MAPPED_WORD;
  }

  /** Copies the 16 bytes of an address to `bytes[at .. at + 16]`. */
  copyTo(id: number, bytes: Uint8Array, at: number): void {
    for (let i = 0; i < ADDRESS_WORDS; i++) {
      const word = this.#table.word(id, i);
      bytes[at + i * 4] = word;
      bytes[at + i * 4 + 1] = word >>> 8;
      bytes[at + i * 4 + 2] = word >>> 16;
      bytes[at + i * 4 + 3] = word >>> 24;
    }
  }

  text(id: number): string {
    if (id === MISSING || id > this.size) return '';
    const known = this.#texts[id];
    if (known !== undefined) return known;
    const bytes = new Uint8Array(16);
    this.copyTo(id, bytes, 0);
    const text = formatAddress(bytes);
    this.#texts[id] = text;
    return text;
  }

  #load(text: string): boolean {
    const bytes = parseAddress(text);
    if (bytes === undefined) return false;
    this.#scratch.set(new Uint32Array(bytes.buffer, bytes.byteOffset, ADDRESS_WORDS));
    return true;
  }
}

const MAC_WORDS = 2;

/** MAC addresses: bytes 0–3 in the first word, 4–5 in the second. */
export class MacTable implements InternTable {
  readonly #table = new WordTable(MAC_WORDS);
  readonly #texts: string[] = [];
  readonly #scratch = new Uint32Array(MAC_WORDS);
  readonly #parsed = new TextMemo();

  get size(): number {
    return this.#table.size;
  }

  intern(low: number, high: number): number {
    this.#scratch[0] = low;
    this.#scratch[1] = high & 0xffff;
    return this.#table.put(this.#scratch, 0);
  }

  internText(text: string): number {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known;
    if (!this.#load(text)) return MISSING;
    return this.#parsed.set(text, this.#table.put(this.#scratch, 0));
  }

  find(text: string): number {
    return this.#load(text) ? this.#table.find(this.#scratch, 0) : MISSING;
  }

  /** Bytes 0–3 (`index` 0) or 4–5 (1) of a MAC. */
  word(id: number, index: number): number {
    return this.#table.word(id, index);
  }

  text(id: number): string {
    if (id === MISSING || id > this.size) return '';
    const known = this.#texts[id];
    if (known !== undefined) return known;
    const text = formatMac(this.word(id, 0), this.word(id, 1));
    this.#texts[id] = text;
    return text;
  }

  #load(text: string): boolean {
    const bytes = parseMac(text);
    if (bytes === undefined) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    this.#scratch[0] = view.getUint32(0, true);
    this.#scratch[1] = view.getUint16(4, true);
    return true;
  }
}

/** One generation of tables. A batch keeps the generation of its ids alive. */
export interface InternTables {
  readonly generation: number;
  readonly strings: StringTable;
  readonly addresses: AddressTable;
  readonly macs: MacTable;
}

/** State that outlives batches and holds ids: it moves live ids to the new generation. */
export interface Survivor {
  reintern(from: InternTables, to: InternTables): void;
}

/** Entries over all three tables at which a new generation is begun. */
export const INTERN_LIMIT_ENTRIES = 1_000_000;

/**
 * Hands out the current generation and bounds it.
 *
 * Growth without bound would be a leak on a host that sees random addresses, and removing single
 * entries would need a reference count per row. So a full generation is left behind, as in a moving
 * collector: survivors copy what they still need, old batches are finished, and the generation is
 * collected.
 */
export class TableSpace {
  readonly #limit: number;
  readonly #survivors = new Set<Survivor>();
  #current: InternTables;
  #rebuilds = 0;

  constructor(limitEntries = INTERN_LIMIT_ENTRIES) {
    this.#limit = limitEntries;
    this.#current = newTables(1);
  }

  get current(): InternTables {
    return this.#current;
  }

  get rebuilds(): number {
    return this.#rebuilds;
  }

  register(survivor: Survivor): Disposable {
    this.#survivors.add(survivor);
    return { [Symbol.dispose]: () => this.#survivors.delete(survivor) };
  }

  /**
   * The owner that fills batches calls it between two of them; true when a new generation was
   * begun.
   */
  rotateIfFull(): boolean {
    const { strings, addresses, macs, generation } = this.#current;
    if (strings.size + addresses.size + macs.size < this.#limit) return false;
    const next = newTables(generation + 1);
    for (const survivor of this.#survivors) survivor.reintern(this.#current, next);
    this.#current = next;
    this.#rebuilds++;
    return true;
  }
}

function newTables(generation: number): InternTables {
  return {
    generation,
    strings: new StringTable(),
    addresses: new AddressTable(),
    macs: new MacTable(),
  };
}
