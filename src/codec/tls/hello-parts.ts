/** Most bytes of one hello; see TLS_HELLO_BYTES_MAX of bpf/tls.h. */
export const HELLO_BYTES_MAX = 8192;

/** Most segments kept that arrive ahead of a gap; together they have at most HELLO_BYTES_MAX. */
const AHEAD_MAX = 8;

const SEQUENCE_HALF = 2 ** 31;

interface Part {
  readonly bytes: Uint8Array;
  readonly sequence: number;
}

/** A hello in several segments; the first one comes first, the others in any order. */
export class HelloParts {
  readonly #sequence: number;
  #bytes: Uint8Array;
  #length = 0;
  /** Segments behind a gap. */
  #ahead: Part[] = [];

  /** `sequence`: TCP's sequence number of the first byte. */
  constructor(bytes: Uint8Array, from: number, to: number, sequence: number) {
    this.#sequence = sequence;
    this.#bytes = new Uint8Array(2 * (to - from));
    this.#append(bytes, from, to);
  }

  get length(): number {
    return this.#length;
  }

  /** All bytes without a gap so far, from 0 to `length`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * Appends the new bytes of a segment, then kept segments that follow it. False: nothing was
   * appended, since bytes before it are missing or all of it is known.
   */
  add(bytes: Uint8Array, from: number, to: number, sequence: number): boolean {
    const known = this.#known(sequence);
    if (known < 0) this.#keep(bytes.subarray(from, to), sequence);
    if (known < 0 || known >= to - from || this.#length >= HELLO_BYTES_MAX) return false;
    this.#append(bytes, from + known, to);
    if (this.#ahead.length > 0) this.#catchUp();
    return true;
  }

  /** Number of known bytes of a part that begins there; negative: so many are missing before it. */
  #known(sequence: number): number {
    const at = (sequence - this.#sequence) >>> 0;
    // A retransmitted segment may begin before the hello.
    return at < SEQUENCE_HALF ? this.#length - at : this.#length + (2 ** 32 - at);
  }

  #keep(bytes: Uint8Array, sequence: number): void {
    const kept = this.#ahead.reduce((sum, part) => sum + part.bytes.length, 0);
    if (kept + bytes.length > HELLO_BYTES_MAX || this.#ahead.length === AHEAD_MAX) return;
    this.#ahead.push({ bytes: bytes.slice(), sequence });
  }

  /** Looks at all kept segments again after each one that fits. */
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
