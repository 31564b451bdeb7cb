const INITIAL_ENTRIES = 1024;
const INITIAL_BYTES = 32 * 1024;

/**
 * Encoded forms of interned values, made when an id is first written. Ids belong to one generation
 * of tables, whose size bounds the cache; each new generation gets a new cache.
 */
export class FragmentCache {
  readonly #make: (id: number) => Uint8Array;
  #starts = new Uint32Array(INITIAL_ENTRIES);
  #ends = new Uint32Array(INITIAL_ENTRIES);
  #bytes = new Uint8Array(INITIAL_BYTES);
  #used = 0;

  /** `make` returns the bytes of an id, at least one. */
  constructor(make: (id: number) => Uint8Array) {
    this.#make = make;
  }

  /** All fragments; valid until the next `load`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  start(id: number): number {
    return this.#starts[id]!;
  }

  /** End of the fragment of an id; makes the fragment if it does not exist. */
  load(id: number): number {
    const end = this.#ends[id];
    // No fragment is empty, so 0 cannot be an end.
    return end === undefined || end === 0 ? this.#add(id) : end;
  }

  #add(id: number): number {
    if (id >= this.#ends.length) {
      this.#starts = grown(this.#starts, id);
      this.#ends = grown(this.#ends, id);
    }
    const made = this.#make(id);
    if (this.#used + made.length > this.#bytes.length) {
      const bytes = new Uint8Array(Math.max(this.#bytes.length * 2, this.#used + made.length));
      bytes.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = bytes;
    }
    this.#bytes.set(made, this.#used);
    this.#starts[id] = this.#used;
    this.#used += made.length;
    this.#ends[id] = this.#used;
    return this.#used;
  }
}

function grown(values: Uint32Array, id: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(Math.max(values.length * 2, id + 1));
  more.set(values);
  return more;
}
