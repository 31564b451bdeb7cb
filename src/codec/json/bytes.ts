const INITIAL_BYTES = 64 * 1024;
/**
 * A buffer that grew beyond this for one large answer is released, not kept for the next small one.
 */
const KEEP_BYTES = 16 * 1024 * 1024;

const ZERO = 0x30;
const GROUP = 1e9;

/**
 * Output bytes, in a buffer that is used again and again. Writers reserve the most room that they
 * may need, then write without further checks.
 */
export class ByteBuffer {
  bytes = new Uint8Array(INITIAL_BYTES);
  length = 0;

  /** Makes room for `count` bytes behind `length`. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }

  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** Copies `from[start .. end]`; short pieces by hand, since calling `set` costs more. */
  copy(from: Uint8Array, start: number, end: number): void {
    const { bytes } = this;
    let at = this.length;
    if (end - start > 48) bytes.set(from.subarray(start, end), at);
    else for (let i = start; i < end; i++) bytes[at++] = from[i]!;
    this.length += end - start;
  }
}

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
