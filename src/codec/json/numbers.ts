import type { ByteBuffer } from '../byte-buffer.ts';

const ZERO = 0x30;
const GROUP = 1e9;

/** Room for any number: `String(-1.2345678901234567e-300)` has 24 characters. */
export const NUMBER_BYTES = 25;

/** Writes a finite number as `JSON.stringify` does. */
export function writeNumber(buffer: ByteBuffer, value: number): void {
  if (value >= 0 && value <= Number.MAX_SAFE_INTEGER && Math.floor(value) === value) {
    writeWhole(buffer, value);
    return;
  }
  const text = String(value);
  const { bytes } = buffer;
  for (let i = 0; i < text.length; i++) bytes[buffer.length++] = text.charCodeAt(i);
}

/** Numbers above nine digits are written in two halves, so that all divisions are 32-bit. */
function writeWhole(buffer: ByteBuffer, value: number): void {
  if (value < GROUP) {
    buffer.length = digits(buffer.bytes, buffer.length, value, digitCount(value));
    return;
  }
  const high = Math.floor(value / GROUP);
  const at = digits(buffer.bytes, buffer.length, high, digitCount(high));
  buffer.length = digits(buffer.bytes, at, value - high * GROUP, 9);
}

function digits(bytes: Uint8Array, at: number, value: number, count: number): number {
  let rest = value | 0;
  for (let i = at + count - 1; i >= at; i--) {
    const next = (rest / 10) | 0;
    bytes[i] = ZERO + rest - next * 10;
    rest = next;
  }
  return at + count;
}

function digitCount(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1000) return 3;
  if (value < 1e4) return 4;
  if (value < 1e5) return 5;
  if (value < 1e6) return 6;
  if (value < 1e7) return 7;
  return value < 1e8 ? 8 : 9;
}
