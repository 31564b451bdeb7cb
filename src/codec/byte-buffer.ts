const INITIAL_BYTES = 64 * 1024;
/**
 * A buffer that grew beyond this for one large answer is released, not kept for the next small one.
 */
const KEEP_BYTES = 16 * 1024 * 1024;

/** Bytes that are being written, and where the next one goes. */
export interface Output {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * Output bytes, in a buffer that is used again and again. Writers reserve the most room that they
 * may need, then write without further checks.
 */
export class ByteBuffer implements Output {
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
