const encoder = new TextEncoder();

/** Keys that are none of those in the index. */
export const NO_KEY = -1;

/** Finds keys by their UTF-8, without making strings of them. */
export class KeyIndex {
  readonly #keys: readonly Uint8Array[];
  /** Number of a key + 1, by the hash of the key; 0: none. */
  readonly #slots: Uint32Array;

  constructor(keys: readonly string[]) {
    this.#keys = keys.map((key) => encoder.encode(key));
    // Half empty, so that few keys share a slot.
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * keys.length + 1)));
    for (const [number, key] of this.#keys.entries()) {
      let slot = this.#slotOf(key, 0, key.length);
      while (this.#slots[slot] !== 0) slot = this.#next(slot);
      this.#slots[slot] = number + 1;
    }
  }

  /** The key's place among the keys, or `NO_KEY`. */
  find(bytes: Uint8Array, from: number, to: number): number {
    for (let slot = this.#slotOf(bytes, from, to); ; slot = this.#next(slot)) {
      const number = this.#slots[slot]! - 1;
      if (number === NO_KEY || isSame(this.#keys[number]!, bytes, from, to)) return number;
    }
  }

  /** FNV-1a. */
  #slotOf(bytes: Uint8Array, from: number, to: number): number {
    let hash = 0x811c9dc5;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    return (hash >>> 0) & (this.#slots.length - 1);
  }

  #next(slot: number): number {
    return (slot + 1) & (this.#slots.length - 1);
  }
}

function isSame(key: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (key.length !== to - from) return false;
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[from + i]) return false;
  return true;
}
