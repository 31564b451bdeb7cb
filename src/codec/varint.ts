const WORD = 2 ** 32;
const LOW = 2 ** 28;

/** Bytes of a varint of up to 32 bits: one for each 7 bits. */
export function uintBytes(value: number): number {
  // 9/64 gives the same result as 1/7 up to 35 bits, and needs no division.
  return (352 - Math.clz32(value) * 9) >>> 6;
}

/** Bytes of a varint of a whole number up to 2^53. */
export function doubleBytes(value: number): number {
  if (value < WORD) return uintBytes(value);
  return 4 + uintBytes(Math.floor(value / LOW));
}

/** Writes a varint of up to 32 bits at `at`; returns where it ends. */
export function writeUint(bytes: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  while (rest > 0x7f) {
    bytes[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[end++] = rest;
  return end;
}

/** Writes a varint of a whole number up to 2^53. */
export function writeDouble(bytes: Uint8Array, at: number, value: number): number {
  if (value < WORD) return writeUint(bytes, at, value);
  const high = Math.floor(value / LOW);
  const low = value - high * LOW;
  bytes[at] = (low & 0x7f) | 0x80;
  bytes[at + 1] = ((low >>> 7) & 0x7f) | 0x80;
  bytes[at + 2] = ((low >>> 14) & 0x7f) | 0x80;
  bytes[at + 3] = (low >>> 21) | 0x80;
  return writeUint(bytes, at + 4, high);
}

/** Bytes of a negative `int32`, which is sent with its sign in 64 bits. */
export const NEGATIVE_BYTES = 10;

export function writeNegative(bytes: Uint8Array, at: number, value: number): number {
  const low = value >>> 0;
  bytes[at] = (low & 0x7f) | 0x80;
  bytes[at + 1] = ((low >>> 7) & 0x7f) | 0x80;
  bytes[at + 2] = ((low >>> 14) & 0x7f) | 0x80;
  bytes[at + 3] = ((low >>> 21) & 0x7f) | 0x80;
  bytes[at + 4] = (low >>> 28) | 0xf0;
  bytes.fill(0xff, at + 5, at + 9);
  bytes[at + 9] = 1;
  return at + NEGATIVE_BYTES;
}
