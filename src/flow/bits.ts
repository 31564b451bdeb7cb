/** Bitmaps over rows: bit `row & 31` of word `row >>> 5`; it is set when the row has a value. */

export function bitWords(rows: number): number {
  return (rows + 31) >>> 5;
}

export function hasBit(bits: Uint32Array, row: number): boolean {
  return ((bits[row >>> 5]! >>> (row & 31)) & 1) === 1;
}

export function setBit(bits: Uint32Array, row: number): void {
  bits[row >>> 5]! |= 1 << (row & 31);
}

/** Sets the bits of rows `[0, rows)` and clears the others. */
export function setFirstBits(bits: Uint32Array, rows: number): void {
  const whole = rows >>> 5;
  bits.fill(0xffffffff, 0, whole);
  bits.fill(0, whole);
  const rest = rows & 31;
  if (rest > 0) bits[whole] = 2 ** rest - 1;
}
