import { ByteBuffer } from '../../codec/byte-buffer.ts';
import { uintBytes, writeDouble, writeUint } from '../../codec/varint.ts';
import { WIRE } from '../../codec/wire.ts';
import { PAIR } from './protocol.ts';

const encoder = new TextEncoder();
/** Room for a tag and a number or a length. */
const HEAD_BYTES = 20;

/** Writes fields of protobuf. Empty values are left out, as proto3 does. */
export class ProtoWriter {
  readonly #buffer = new ByteBuffer();

  get length(): number {
    return this.#buffer.length;
  }

  /** The fields so far, in memory of their own; begins anew. */
  end(): Uint8Array<ArrayBuffer> {
    const bytes = this.#buffer.bytes.slice(0, this.#buffer.length);
    this.#buffer.clear();
    return bytes;
  }

  /** A whole number up to 2^53. */
  number(field: number, value: number): void {
    if (value <= 0 || !Number.isSafeInteger(value)) return;
    this.#tag(field, WIRE.varint);
    this.#buffer.length = writeDouble(this.#buffer.bytes, this.#buffer.length, value);
  }

  flag(field: number, value: boolean): void {
    this.number(field, value ? 1 : 0);
  }

  text(field: number, value: string): void {
    if (value !== '') this.bytes(field, encoder.encode(value));
  }

  texts(field: number, values: readonly string[]): void {
    for (const value of values) this.bytes(field, encoder.encode(value));
  }

  bytes(field: number, ...parts: readonly Uint8Array[]): void {
    this.#head(
      field,
      parts.reduce((sum, { length }) => sum + length, 0),
    );
    for (const part of parts) this.raw(part);
  }

  /** Fields that are encoded already. */
  raw(bytes: Uint8Array): void {
    this.#buffer.reserve(bytes.length);
    this.#buffer.copy(bytes, 0, bytes.length);
  }

  /** A map of texts. */
  map(field: number, entries: Iterable<readonly [string, string]>): void {
    for (const [key, value] of entries) {
      const texts = [encoder.encode(key), encoder.encode(value)] as const;
      const lengths = texts.map(({ length }) => 1 + uintBytes(length) + length);
      this.#head(field, lengths[0]! + lengths[1]!);
      this.bytes(PAIR.key, texts[0]);
      this.bytes(PAIR.value, texts[1]);
    }
  }

  #head(field: number, length: number): void {
    this.#tag(field, WIRE.bytes);
    this.#buffer.length = writeUint(this.#buffer.bytes, this.#buffer.length, length);
  }

  #tag(field: number, wire: number): void {
    this.#buffer.reserve(HEAD_BYTES);
    this.#buffer.length = writeUint(this.#buffer.bytes, this.#buffer.length, field * 8 + wire);
  }
}
