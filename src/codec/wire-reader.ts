import { PROTOBUF_ERRORS, protobufError } from './errors.ts';
import { WIRE } from './wire.ts';

const WORD = 2 ** 32;
const VARINT_BYTES_MAX = 10;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the wire format. Every method checks against `end`, which callers set to the end of the
 * current message; nothing is read beyond it.
 */
export class WireReader {
  bytes = new Uint8Array(0);
  at = 0;
  end = 0;
  /** The last varint: low and high 32 bits. */
  low = 0;
  high = 0;
  readonly #textBytesMax: number;

  /** `textBytesMax`: longest text that `text` takes. */
  constructor(textBytesMax = 0) {
    this.#textBytesMax = textBytesMax;
  }

  reset(bytes: Uint8Array<ArrayBuffer>, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  varint(): void {
    const { bytes, end } = this;
    let at = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= end) throw protobufError(PROTOBUF_ERRORS.truncated, 'a number is cut off', at);
      if (shift >= VARINT_BYTES_MAX * 7) {
        throw protobufError(PROTOBUF_ERRORS.syntax, 'a number has too many bytes', at);
      }
      const byte = bytes[at++]!;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) break;
    }
    this.at = at;
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  /** A number of up to 64 bits; above 2^53 the nearest double. */
  double(): number {
    this.varint();
    return this.low + this.high * WORD;
  }

  /** A number of 64 bits with its sign; beyond 2^53 the nearest double. */
  signed(): number {
    this.varint();
    return this.low + (this.high | 0) * WORD;
  }

  /** A field's number and wire type, as one number. */
  tag(): number {
    const at = this.at;
    this.varint();
    if (this.high !== 0 || this.low >>> 3 === 0) {
      throw protobufError(PROTOBUF_ERRORS.syntax, 'no field has this number', at);
    }
    return this.low;
  }

  /** Reads a length; returns where the content ends. */
  length(): number {
    this.varint();
    if (this.high !== 0 || this.low > this.end - this.at) {
      throw protobufError(PROTOBUF_ERRORS.truncated, 'a field is longer than its message', this.at);
    }
    return this.at + this.low;
  }

  fixed32(): number {
    const { bytes, at } = this;
    this.skipBytes(4);
    const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    return (low | (bytes[at + 3]! << 24)) >>> 0;
  }

  /** Reads 64 bits into `low` and `high`. */
  fixed64(): void {
    this.low = this.fixed32();
    this.high = this.fixed32();
  }

  text(): string {
    const start = this.at;
    const end = this.length();
    const text = this.textBetween(this.at, end, start);
    this.at = end;
    return text;
  }

  /** The text in these bytes; `start` is where its field begins, for errors. */
  textBetween(from: number, to: number, start = from): string {
    if (to - from > this.#textBytesMax) {
      const problem = `a text has over ${this.#textBytesMax} bytes`;
      throw protobufError(PROTOBUF_ERRORS.tooLong, problem, start);
    }
    try {
      return decoder.decode(this.bytes.subarray(from, to));
    } catch {
      throw protobufError(PROTOBUF_ERRORS.encoding, 'a text is no UTF-8', start);
    }
  }

  /** Skips a field that is not wanted. */
  skip(wire: number): void {
    switch (wire) {
      case WIRE.varint:
        this.varint();
        return;
      case WIRE.fixed64:
        this.skipBytes(8);
        return;
      case WIRE.bytes:
        this.at = this.length();
        return;
      case WIRE.fixed32:
        this.skipBytes(4);
        return;
      default:
        throw protobufError(PROTOBUF_ERRORS.syntax, `wire type ${wire} is not used`, this.at);
    }
  }

  skipBytes(count: number): void {
    if (count > this.end - this.at) {
      throw protobufError(PROTOBUF_ERRORS.truncated, 'a field is cut off', this.at);
    }
    this.at += count;
  }
}
