/**
 * FNV-1a of 64 bits in two halves of 32, since a bigint would be an object for each step. The prime
 * is 2^40 + 0x1b3. See http://www.isthe.com/chongo/tech/comp/fnv/.
 */
const BASIS_HIGH = 0xcbf29ce4 | 0;
const BASIS_LOW = 0x84222325 | 0;
const PRIME_LOW = 0x1b3;

/** Hashes by index, as signed halves. */
export class Hashes {
  high = new Int32Array(0);
  low = new Int32Array(0);

  /** Makes room for `count` hashes; the earlier ones are lost. */
  reserve(count: number): void {
    if (this.high.length >= count) return;
    this.high = new Int32Array(count);
    this.low = new Int32Array(count);
  }

  begin(count: number): void {
    this.high.fill(BASIS_HIGH, 0, count);
    this.low.fill(BASIS_LOW, 0, count);
  }

  /** Continues each hash with the eight bytes of another one, the most significant first. */
  absorb(others: Hashes, count: number): void {
    const { high: highs, low: lows } = this;
    for (let i = 0; i < count; i++) {
      let high = highs[i]!;
      let low = lows[i]!;
      let word = others.high[i]!;
      for (let byte = 0; byte < 8; byte++) {
        if (byte === 4) word = others.low[i]!;
        low ^= word >>> 24;
        word <<= 8;
        const first = (low & 0xffff) * PRIME_LOW;
        const second = (low >>> 16) * PRIME_LOW + (first >>> 16);
        high = (Math.imul(high, PRIME_LOW) + (low << 8) + (second >>> 16)) | 0;
        low = (second << 16) | (first & 0xffff);
      }
      highs[i] = high;
      lows[i] = low;
    }
  }

  /** Sets one hash to that of `bytes[from .. to]`. */
  set(index: number, bytes: Uint8Array, from: number, to: number): void {
    let high = BASIS_HIGH;
    let low = BASIS_LOW;
    for (let at = from; at < to; at++) {
      low ^= bytes[at]!;
      const first = (low & 0xffff) * PRIME_LOW;
      const second = (low >>> 16) * PRIME_LOW + (first >>> 16);
      high = (Math.imul(high, PRIME_LOW) + (low << 8) + (second >>> 16)) | 0;
      low = (second << 16) | (first & 0xffff);
    }
    this.high[index] = high;
    this.low[index] = low;
  }

  isAbove(index: number, others: Hashes): boolean {
    const high = this.high[index]! >>> 0;
    const other = others.high[index]! >>> 0;
    if (high !== other) return high > other;
    return this.low[index]! >>> 0 > others.low[index]! >>> 0;
  }
}

/** A hash as 16 hexadecimal digits. */
export function hashText(high: number, low: number): string {
  return hex(high) + hex(low);
}

function hex(half: number): string {
  return (half >>> 0).toString(16).padStart(8, '0');
}
