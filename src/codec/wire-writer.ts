import type { Output } from './byte-buffer.ts';
import { doubleBytes, uintBytes, writeDouble, writeUint } from './varint.ts';

const encoder = new TextEncoder();

const NS_PER_MS = 1e6;
const HALF = 2 ** 16;
const WORD = 2 ** 32;

/** Bytes of a tag below 16 and a 64-bit number. */
export const FIXED64_FIELD_BYTES = 9;

/** Bytes of a field with a tag of one byte and `length` bytes. */
export function fieldBytes(length: number): number {
  return 1 + uintBytes(length) + length;
}

/** A field with a tag of one byte. */
export function field(tag: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(fieldBytes(content.length));
  bytes[0] = tag;
  bytes.set(content, writeUint(bytes, 1, content.length));
  return bytes;
}

/** A whole number up to 2^53. */
export function numberField(tag: number, value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(1 + doubleBytes(value));
  bytes[0] = tag;
  writeDouble(bytes, 1, value);
  return bytes;
}

export function textField(tag: number, text: string): Uint8Array<ArrayBuffer> {
  return field(tag, encoder.encode(text));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Writes a tag of one byte and a length. The caller has reserved the room. */
export function writeHead(output: Output, tag: number, length: number): void {
  output.bytes[output.length] = tag;
  output.length = writeUint(output.bytes, output.length + 1, length);
}

/** Writes a tag of one byte and milliseconds since 1970, down to 0, as nanoseconds. */
export function writeTime(output: Output, tag: number, ms: number): void {
  const { bytes } = output;
  const whole = Number.isFinite(ms) && ms > 0 ? ms : 0;
  // In halves, since the nanoseconds of today have more than 53 bits.
  const upper = Math.floor(whole / HALF);
  const high = upper * NS_PER_MS;
  const low = (high % HALF) * HALF + Math.round((whole - upper * HALF) * NS_PER_MS);
  bytes[output.length] = tag;
  writeWord(bytes, output.length + 1, low % WORD);
  writeWord(bytes, output.length + 5, Math.floor(high / HALF) + Math.floor(low / WORD));
  output.length += FIXED64_FIELD_BYTES;
}

const float = new Float64Array(1);
const floatWords = new Uint32Array(float.buffer);

/** Writes a number as a `double`, without a tag. */
export function writeFloat(output: Output, value: number): void {
  float[0] = value;
  writeWord(output.bytes, output.length, floatWords[0]!);
  writeWord(output.bytes, output.length + 4, floatWords[1]!);
  output.length += 8;
}

/** Writes a whole number up to 2^53 as a `fixed64`, without a tag. */
export function writeFixed(output: Output, value: number): void {
  writeWord(output.bytes, output.length, value % WORD);
  writeWord(output.bytes, output.length + 4, Math.floor(value / WORD));
  output.length += 8;
}

/** Writes 32 bits, little-endian. */
export function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}
