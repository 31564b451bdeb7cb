import { finish32, mix32 } from '../../../base/hash.ts';

const INITIAL_SLOTS = 256;
export const NO_SLOT = -1;

/**
 * Tuples of `width` ids and the slot of each: open addressing over one arena, without an object or
 * text per tuple. Slots are dense and stable; slots of forgotten tuples are reused.
 */
export class TupleTable {
  readonly width: number;
  #arena: Uint32Array;
  /** Slot + 1 by hash, 0 where there is none. */
  #index = new Uint32Array(INITIAL_SLOTS * 2);
  #used: Uint8Array = new Uint8Array(INITIAL_SLOTS);
  readonly #free: number[] = [];
  #end = 0;

  constructor(width: number) {
    this.width = width;
    this.#arena = new Uint32Array(INITIAL_SLOTS * width);
  }

  /** Slots assigned so far, live or free. */
  get end(): number {
    return this.#end;
  }

  /** Slots that there is room for; arrays beside the table have this length. */
  get capacity(): number {
    return this.#used.length;
  }

  get live(): number {
    return this.#end - this.#free.length;
  }

  isLive(slot: number): boolean {
    return this.#used[slot] === 1;
  }

  word(slot: number, index: number): number {
    return this.#arena[slot * this.width + index]!;
  }

  /** The words of a live slot, writable: see `rehash`. */
  words(slot: number): Uint32Array {
    return this.#arena.subarray(slot * this.width, (slot + 1) * this.width);
  }

  find(words: Uint32Array, at: number): number {
    return this.#index[this.#place(words, at)]! - 1;
  }

  /** Adds a tuple that `find` did not find. */
  insert(words: Uint32Array, at: number): number {
    const slot = this.#free.pop() ?? this.#end++;
    if (slot >= this.#used.length) this.#grow();
    const width = this.width;
    for (let i = 0; i < width; i++) this.#arena[slot * width + i] = words[at + i]!;
    this.#used[slot] = 1;
    this.#index[this.#place(words, at)] = slot + 1;
    return slot;
  }

  /** Releases slots; the index is valid again after `rehash`. */
  forget(slot: number): void {
    this.#used[slot] = 0;
    this.#free.push(slot);
  }

  /** Rebuilds the index from the live slots. */
  rehash(): void {
    this.#index = new Uint32Array(this.#used.length * 2);
    for (let slot = 0; slot < this.#end; slot++) {
      if (this.#used[slot] !== 1) continue;
      this.#index[this.#place(this.#arena, slot * this.width)] = slot + 1;
    }
  }

  /** The position of the tuple in the index, or the position for it. */
  #place(words: Uint32Array, at: number): number {
    const width = this.width;
    const arena = this.#arena;
    const index = this.#index;
    const mask = index.length - 1;
    let hash = 0;
    for (let i = 0; i < width; i++) hash = mix32(hash, words[at + i]!);
    let place = finish32(hash) & mask;
    for (;;) {
      const entry = index[place]!;
      if (entry === 0) return place;
      const base = (entry - 1) * width;
      let i = 0;
      while (i < width && arena[base + i] === words[at + i]) i++;
      if (i === width) return place;
      place = (place + 1) & mask;
    }
  }

  // The index has two places for each slot, so a probe is short.
  #grow(): void {
    const capacity = this.#used.length * 2;
    const arena = new Uint32Array(capacity * this.width);
    arena.set(this.#arena);
    this.#arena = arena;
    const used = new Uint8Array(capacity);
    used.set(this.#used);
    this.#used = used;
    this.rehash();
  }
}
