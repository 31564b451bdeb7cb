import { finish32, mix32 } from '../../base/hash.ts';

const NONE = 0;
const INITIAL_SLOTS = 1024;

/**
 * Numbers keys of a fixed width, in 32-bit words, from 0 on in order of arrival, up to a capacity.
 * Single keys are not removed.
 */
export class KeyIndex {
  readonly #width: number;
  readonly #capacity: number;
  #keys: Uint32Array;
  // Open addressing with linear probing: numbers plus one, at most half full.
  #slots = new Uint32Array(INITIAL_SLOTS);
  #size = 0;

  constructor(width: number, capacity: number) {
    this.#width = width;
    this.#capacity = capacity;
    this.#keys = new Uint32Array((INITIAL_SLOTS / 2) * width);
  }

  get size(): number {
    return this.#size;
  }

  /** Number of the key at `words[at .. at + width]`, added if missing; -1: there is no room. */
  put(words: Uint32Array, at: number): number {
    const slot = this.#slotOf(words, at);
    const known = this.#slots[slot]!;
    if (known !== NONE) return known - 1;
    if (this.#size === this.#capacity) return -1;
    const number = this.#size++;
    const base = number * this.#width;
    for (let i = 0; i < this.#width; i++) this.#keys[base + i] = words[at + i]!;
    this.#slots[slot] = number + 1;
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    return number;
  }

  /** Number of the key, or -1. */
  find(words: Uint32Array, at: number): number {
    return this.#slots[this.#slotOf(words, at)]! - 1;
  }

  copyKey(number: number, into: Uint32Array, at: number): void {
    const base = number * this.#width;
    for (let i = 0; i < this.#width; i++) into[at + i] = this.#keys[base + i]!;
  }

  clear(): void {
    if (this.#size === 0) return;
    this.#slots.fill(NONE);
    this.#size = 0;
  }

  #slotOf(words: Uint32Array, at: number): number {
    const width = this.#width;
    let hash = 0;
    for (let i = 0; i < width; i++) hash = mix32(hash, words[at + i]!);
    const mask = this.#slots.length - 1;
    let slot = finish32(hash) & mask;
    for (;;) {
      const known = this.#slots[slot]!;
      if (known === NONE) return slot;
      const base = (known - 1) * width;
      let i = 0;
      while (i < width && this.#keys[base + i] === words[at + i]) i++;
      if (i === width) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #grow(): void {
    const keys = new Uint32Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let number = 0; number < this.#size; number++) {
      this.#slots[this.#slotOf(keys, number * this.#width)] = number + 1;
    }
  }
}
