/** Most bytes kept for reuse. */
const POOL_BYTES_MAX = 8 * 2 ** 20;
/** Buffers are a multiple of this, so that messages of similar size can reuse each other's. */
const GRAIN_BYTES = 64 * 1024;

/**
 * Buffers of messages. Messages are large and many, and memory outside of V8's heap is only
 * released when V8 collects garbage, which is rare: without the pool, tens of megabytes would wait
 * for that.
 */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];
  #bytes = 0;

  /** Bytes kept for reuse. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A copy of `from[start .. end]`. */
  copy(from: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    const copy = new Uint8Array(this.#take(length), 0, length);
    copy.set(from.subarray(start, end));
    return copy;
  }

  /** Takes back a buffer of `copy`; its bytes must not be used any more. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return;
    if (this.#bytes + buffer.byteLength > POOL_BYTES_MAX) return;
    this.#free.push(buffer);
    this.#bytes += buffer.byteLength;
  }

  #take(length: number): ArrayBuffer {
    // Skips buffers that are far too large, or small messages would hold the memory of large ones.
    const at = this.#free.findIndex(
      ({ byteLength }) => byteLength >= length && byteLength <= 2 * length + GRAIN_BYTES,
    );
    if (at === -1) return new ArrayBuffer(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES);
    const [buffer] = this.#free.splice(at, 1);
    this.#bytes -= buffer!.byteLength;
    return buffer!;
  }
}
