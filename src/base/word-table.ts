import { finish32, mix32 } from './hash.ts';

/** The table does not have the key, or has no room for it. */
export const NO_NUMBER = 0;

const INITIAL_CAPACITY = 256;

/**
 * Numbers keys of `width` 32-bit words from 1 on in order of arrival, without an object per key:
 * open addressing with linear probing over one arena. A key keeps its number until it is released;
 * another key may have it afterwards.
 */
export class WordTable {
  readonly width: number;
  readonly #limit: number;
  #arena: Uint32Array;
  /** Numbers by hash; at most half of the slots are in use, so that probes are short. */
  #slots = new Uint32Array(INITIAL_CAPACITY * 2);
  #capacity = INITIAL_CAPACITY;
  #end = 1;
  readonly #free: number[] = [];
  /** 1 for a released number; made by the first release. */
  #released: Uint8Array | undefined;

  /** `limit`: the most keys at any time. */
  constructor(width: number, limit = Number.POSITIVE_INFINITY) {
    this.width = width;
    this.#limit = limit;
    this.#arena = new Uint32Array(INITIAL_CAPACITY * width);
  }

  /** Keys in the table. */
  get size(): number {
    return this.#end - 1 - this.#free.length;
  }

  /** All numbers so far, with those of released keys, are below. */
  get end(): number {
    return this.#end;
  }

  /** Numbers below have room before the table grows: the length for arrays by number. */
  get capacity(): number {
    return this.#capacity;
  }

  has(number: number): boolean {
    return number !== NO_NUMBER && number < this.#end && this.#released?.[number] !== 1;
  }

  /** Number of the key at `words[at .. at + width]`, or `NO_NUMBER`. */
  find(words: Uint32Array, at: number): number {
    return this.#slots[this.#slotOf(words, at)]!;
  }

  /** The same, for a key that is added if it is missing; `NO_NUMBER` at the limit. */
  put(words: Uint32Array, at: number): number {
    const slot = this.#slotOf(words, at);
    const known = this.#slots[slot]!;
    return known === NO_NUMBER ? this.#add(slot, words, at) : known;
  }

  word(number: number, index: number): number {
    return this.#arena[number * this.width + index]!;
  }

  /** The words of a key. After a change of them `rehash` makes the table valid again. */
  words(number: number): Uint32Array {
    return this.#arena.subarray(number * this.width, (number + 1) * this.width);
  }

  copyTo(number: number, into: Uint32Array, at: number): void {
    const base = number * this.width;
    for (let i = 0; i < this.width; i++) into[at + i] = this.#arena[base + i]!;
  }

  /** Removes a key. `rehash` makes the table valid again. */
  release(number: number): void {
    this.#released ??= new Uint8Array(this.#capacity);
    this.#released[number] = 1;
    this.#free.push(number);
  }

  rehash(): void {
    this.#slots = new Uint32Array(this.#capacity * 2);
    for (let number = 1; number < this.#end; number++) {
      if (!this.has(number)) continue;
      this.#slots[this.#slotOf(this.#arena, number * this.width)] = number;
    }
  }

  clear(): void {
    if (this.#end === 1) return;
    this.#slots.fill(NO_NUMBER);
    this.#end = 1;
    this.#free.length = 0;
    this.#released = undefined;
  }

  #add(slot: number, words: Uint32Array, at: number): number {
    if (this.size >= this.#limit) return NO_NUMBER;
    const number = this.#free.pop() ?? this.#end++;
    if (this.#released !== undefined) this.#released[number] = 0;
    const base = number * this.width;
    const isFull = number === this.#capacity;
    if (isFull) this.#grow();
    for (let i = 0; i < this.width; i++) this.#arena[base + i] = words[at + i]!;
    if (isFull) this.rehash();
    else this.#slots[slot] = number;
    return number;
  }

  #grow(): void {
    this.#capacity *= 2;
    const arena = new Uint32Array(this.#capacity * this.width);
    arena.set(this.#arena);
    this.#arena = arena;
    if (this.#released === undefined) return;
    const released = new Uint8Array(this.#capacity);
    released.set(this.#released);
    this.#released = released;
  }

  /** The slot of the key, or the free slot for it. */
  #slotOf(words: Uint32Array, at: number): number {
    const width = this.width;
    const arena = this.#arena;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hash = 0;
    for (let i = 0; i < width; i++) hash = mix32(hash, words[at + i]!);
    let slot = finish32(hash) & mask;
    for (;;) {
      const known = slots[slot]!;
      if (known === NO_NUMBER) return slot;
      const base = known * width;
      let i = 0;
      while (i < width && arena[base + i] === words[at + i]) i++;
      if (i === width) return slot;
      slot = (slot + 1) & mask;
    }
  }
}
