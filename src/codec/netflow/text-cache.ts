const INITIAL_ENTRIES = 256;
const INITIAL_BYTES = 4096;

const encoder = new TextEncoder();

/**
 * UTF-8 bytes of interned strings, made when an id is first asked for. Ids are of one generation of
 * tables, whose size bounds the cache; a new generation has a new one.
 */
export class TextCache {
  readonly #text: (id: number) => string;
  readonly #maxBytes: number;
  #starts = new Uint32Array(INITIAL_ENTRIES);
  /** One more than where the bytes end: 0 is an id that was not asked for yet. */
  #ends = new Uint32Array(INITIAL_ENTRIES);
  #bytes = new Uint8Array(INITIAL_BYTES);
  #used = 0;

  /** Longer texts are cut at the last whole character below `maxBytes`. */
  constructor(text: (id: number) => string, maxBytes: number) {
    this.#text = text;
    this.#maxBytes = maxBytes;
  }

  /** All texts; valid until the next `load`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  start(id: number): number {
    return this.#starts[id]!;
  }

  /** Number of bytes of a text, after making sure that it is there. */
  load(id: number): number {
    const end = this.#ends[id];
    if (end === undefined || end === 0) return this.#add(id);
    return end - 1 - this.#starts[id]!;
  }

  #add(id: number): number {
    if (id >= this.#ends.length) {
      this.#starts = grown(this.#starts, id);
      this.#ends = grown(this.#ends, id);
    }
    if (this.#used + this.#maxBytes > this.#bytes.length) {
      const bytes = new Uint8Array(this.#bytes.length * 2 + this.#maxBytes);
      bytes.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = bytes;
    }
    const room = this.#bytes.subarray(this.#used, this.#used + this.#maxBytes);
    const { written } = encoder.encodeInto(this.#text(id), room);
    this.#starts[id] = this.#used;
    this.#used += written;
    this.#ends[id] = this.#used + 1;
    return written;
  }
}

function grown(values: Uint32Array, id: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(Math.max(values.length * 2, id + 1));
  more.set(values);
  return more;
}
