/** Bytes of one hello; see TLS_HELLO_BYTES_MAX of bpf/tls.h. */
export const HELLO_BYTES_MAX = 8192;

/** Segments that may overtake one before them; together they have HELLO_BYTES_MAX at most. */
const AHEAD_MAX = 8;

const SEQUENCE_HALF = 2 ** 31;

interface Part {
  readonly bytes: Uint8Array;
  readonly sequence: number;
}

/** A hello that came in several segments, in any order but for the first. */
export class HelloParts {
  readonly #sequence: number;
  #bytes: Uint8Array;
  #length = 0;
  /** Behind a gap. */
  #ahead: Part[] = [];

  /** `sequence`: of TCP, of the first byte. */
  constructor(bytes: Uint8Array, from: number, to: number, sequence: number) {
    this.#sequence = sequence;
    this.#bytes = new Uint8Array(2 * (to - from));
    this.#append(bytes, from, to);
  }

  get length(): number {
    return this.#length;
  }

  /** All that has come so far without a gap, from 0 to `length`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Adds what continues it, but for what has come before, and what had come behind that; false: it
   * does not continue it, since something is missing, or it brings nothing new.
   */
  add(bytes: Uint8Array, from: number, to: number, sequence: number): boolean {
    const known = this.#known(sequence);
    if (known < 0) this.#keep(bytes.subarray(from, to), sequence);
    if (known < 0 || known >= to - from || this.#length >= HELLO_BYTES_MAX) return false;
    this.#append(bytes, from + known, to);
    if (this.#ahead.length > 0) this.#catchUp();
    return true;
  }

  /** How many bytes of a part that begins there have come; negative: so many are missing. */
  #known(sequence: number): number {
    const at = (sequence - this.#sequence) >>> 0;
    // A segment that was sent again may begin before the hello.
    return at < SEQUENCE_HALF ? this.#length - at : this.#length + (2 ** 32 - at);
  }

  #keep(bytes: Uint8Array, sequence: number): void {
    const kept = this.#ahead.reduce((sum, part) => sum + part.bytes.length, 0);
    if (kept + bytes.length > HELLO_BYTES_MAX || this.#ahead.length === AHEAD_MAX) return;
    this.#ahead.push({ bytes: bytes.slice(), sequence });
  }

  /** Each of them is looked at once more for each that fits. */
  #catchUp(): void {
    const ahead = this.#ahead;
    this.#ahead = [];
    for (const { bytes, sequence } of ahead) this.add(bytes, 0, bytes.length, sequence);
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const end = Math.min(HELLO_BYTES_MAX, this.#length + to - from);
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(HELLO_BYTES_MAX, 2 * end));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes.subarray(from, from + end - this.#length), this.#length);
    this.#length = end;
  }
}
