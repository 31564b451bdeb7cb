import { finish32 } from '../../../base/hash.ts';

/** Slot of a connection that is not in the table, or has no room in it. */
export const NO_CONNECTION = 0;

const INITIAL_CAPACITY = 1024;

/**
 * Gives connections slots from 1 on by their hashes of 64 bits, without an object for each: open
 * addressing with linear probing, and removal that leaves no marks behind. A slot is used again
 * after its removal.
 */
export class ConnectionTable {
  readonly #limit: number;
  #high = new Int32Array(INITIAL_CAPACITY);
  #low = new Int32Array(INITIAL_CAPACITY);
  #used = new Uint8Array(INITIAL_CAPACITY);
  /** Slots by hash; at most half of the places are in use, so that probes are short. */
  #places = new Uint32Array(INITIAL_CAPACITY * 2);
  #capacity = INITIAL_CAPACITY;
  #end = 1;
  #free = new Uint32Array(INITIAL_CAPACITY);
  #freeCount = 0;

  /** `limit`: the most connections at any time. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#end - 1 - this.#freeCount;
  }

  /** All slots so far, with those of removed connections, are below. */
  get end(): number {
    return this.#end;
  }

  /** Slots below have room before the table grows: the length for arrays by slot. */
  get capacity(): number {
    return this.#capacity;
  }

  has(slot: number): boolean {
    return this.#used[slot] === 1;
  }

  high(slot: number): number {
    return this.#high[slot]!;
  }

  low(slot: number): number {
    return this.#low[slot]!;
  }

  find(high: number, low: number): number {
    return this.#places[this.#placeOf(high, low)]!;
  }

  /** Adds a connection that is not there; `NO_CONNECTION` at the limit. */
  add(high: number, low: number): number {
    if (this.size >= this.#limit) return NO_CONNECTION;
    const slot = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#end++;
    if (slot === this.#capacity) this.#grow();
    this.#high[slot] = high;
    this.#low[slot] = low;
    this.#used[slot] = 1;
    this.#places[this.#placeOf(high, low)] = slot;
    return slot;
  }

  remove(slot: number): void {
    const mask = this.#places.length - 1;
    let hole = this.#placeOf(this.#high[slot]!, this.#low[slot]!);
    // Later connections of the same run move up, unless that would be before their first place.
    for (let at = (hole + 1) & mask; this.#places[at] !== NO_CONNECTION; at = (at + 1) & mask) {
      const first = this.#firstPlace(this.#places[at]!);
      if (((at - first) & mask) < ((at - hole) & mask)) continue;
      this.#places[hole] = this.#places[at]!;
      hole = at;
    }
    this.#places[hole] = NO_CONNECTION;
    this.#used[slot] = 0;
    this.#free[this.#freeCount++] = slot;
  }

  #firstPlace(slot: number): number {
    return finish32(this.#high[slot]! ^ this.#low[slot]!) & (this.#places.length - 1);
  }

  /** The place of the connection, or the free one for it. */
  #placeOf(high: number, low: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    let place = finish32(high ^ low) & mask;
    for (;;) {
      const slot = places[place]!;
      if (slot === NO_CONNECTION) return place;
      if (this.#low[slot] === low && this.#high[slot] === high) return place;
      place = (place + 1) & mask;
    }
  }

  #grow(): void {
    const end = this.#capacity;
    this.#capacity *= 2;
    this.#high = grown(this.#high, this.#capacity);
    this.#low = grown(this.#low, this.#capacity);
    this.#used = grown(this.#used, this.#capacity);
    this.#free = grown(this.#free, this.#capacity);
    this.#places = new Uint32Array(this.#capacity * 2);
    for (let slot = 1; slot < end; slot++) {
      if (this.has(slot)) this.#places[this.#placeOf(this.#high[slot]!, this.#low[slot]!)] = slot;
    }
  }
}

type Numbers = Int32Array | Uint32Array | Uint8Array | Uint16Array | Float64Array;

/** The array, or a longer one with its numbers, and zeros behind them. */
export function grown<Values extends Numbers>(values: Values, length: number): Values {
  if (values.length >= length) return values;
  const larger = new (values.constructor as new (length: number) => Values)(length);
  larger.set(values);
  return larger;
}
