/** Bytes that wait to be used again. */
const POOL_BYTES_MAX = 8 * 2 ** 20;
/** Buffers are a multiple of this, so that messages of about one size fit each other's. */
const GRAIN_BYTES = 64 * 1024;

/**
 * Buffers of messages. Messages are large and many, and memory outside of V8's heap is only given
 * back when V8 collects garbage, which is not often: without this, tens of megabytes would wait for
 * that.
 */
export class BufferPool {
  readonly #free: ArrayBuffer[] = [];
  #bytes = 0;

  /** Bytes that wait to be used again. */
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

  /** Takes back what `copy` made; nobody may look at it any more. */
  give(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return;
    if (this.#bytes + buffer.byteLength > POOL_BYTES_MAX) return;
    this.#free.push(buffer);
    this.#bytes += buffer.byteLength;
  }

  #take(length: number): ArrayBuffer {
    // Not one that is far too large, or small messages would hold the memory of large ones.
    const at = this.#free.findIndex(
      ({ byteLength }) => byteLength >= length && byteLength <= 2 * length + GRAIN_BYTES,
    );
    if (at === -1) return new ArrayBuffer(Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES);
    const [buffer] = this.#free.splice(at, 1);
    this.#bytes -= buffer!.byteLength;
    return buffer!;
  }
}
