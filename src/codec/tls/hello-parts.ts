/** Bytes of one hello; see TLS_HELLO_BYTES_MAX of bpf/tls.h. */
export const HELLO_BYTES_MAX = 8192;

const SEQUENCE_HALF = 2 ** 31;

/** A hello that came in several segments, as far as they came one behind the other. */
export class HelloParts {
  readonly #sequence: number;
  #bytes: Uint8Array;
  #length = 0;

  /** `sequence`: of TCP, of the first byte. */
  constructor(bytes: Uint8Array, from: number, to: number, sequence: number) {
    this.#sequence = sequence;
    this.#bytes = new Uint8Array(2 * (to - from));
    this.#append(bytes, from, to);
  }

  get length(): number {
    return this.#length;
  }

  /** All that has come so far, from 0 to `length`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Adds what continues it, but for what has come before; false: it does not continue it, since
   * something is missing, or it brings nothing new.
   */
  add(bytes: Uint8Array, from: number, to: number, sequence: number): boolean {
    const at = (sequence - this.#sequence) >>> 0;
    // A segment that was sent again may begin before the hello.
    const known = at < SEQUENCE_HALF ? this.#length - at : this.#length + (2 ** 32 - at);
    if (known < 0 || known >= to - from || this.#length >= HELLO_BYTES_MAX) return false;
    this.#append(bytes, from + known, to);
    return true;
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
