const ZERO = 0x30;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x21;
const LAST_PRINTABLE = 0x7e;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;

/** Most bytes that one byte of a name becomes: `\255`. */
const ESCAPED_BYTES_MAX = 4;

const decoder = new TextDecoder();

/** Host names are equal in any case, and some resolvers vary it at random. */
type LetterCase = 'lower' | 'kept';

/**
 * Converts names from packets to text that is safe to show: the presentation format of RFC 1035
 * §5.1, with `\DDD` for bytes that are not printable.
 */
export class NameWriter {
  readonly #bytes: Uint8Array;
  readonly #upperFrom: number;
  #length = 0;

  /** `capacity`: bytes of the longest name, before escaping. */
  constructor(capacity: number, letterCase: LetterCase) {
    this.#bytes = new Uint8Array(capacity * ESCAPED_BYTES_MAX);
    this.#upperFrom = letterCase === 'lower' ? UPPER_A : UPPER_Z + 1;
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Appends a byte unchanged. */
  raw(byte: number): void {
    this.#bytes[this.#length++] = byte;
  }

  /** Appends bytes of a name; `special` is a byte to escape as well. */
  escaped(bytes: Uint8Array, from: number, to: number, special: number): void {
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      if (byte < FIRST_PRINTABLE || byte > LAST_PRINTABLE) {
        this.raw(BACKSLASH);
        this.raw(ZERO + Math.floor(byte / 100));
        this.raw(ZERO + (Math.floor(byte / 10) % 10));
        this.raw(ZERO + (byte % 10));
        continue;
      }
      if (byte === special || byte === BACKSLASH) this.raw(BACKSLASH);
      this.raw(byte >= this.#upperFrom && byte <= UPPER_Z ? byte + 0x20 : byte);
    }
  }

  text(): string {
    return decoder.decode(this.#bytes.subarray(0, this.#length));
  }
}
