import { Writable } from 'node:stream';

type Done = (error?: Error | null) => void;

/** Bytes that may wait for a stopped terminal (Ctrl-S) or a slow reader of the log. */
const WAITING_BYTES_MAX = 256 * 1024;

/**
 * Standard error: log lines, progress, errors. Writing never waits and never fails, since no
 * message here justifies ending or delaying a capture. Lost writes are counted.
 */
export class LossyOutput extends Writable {
  readonly #inner: Terminal;
  #lost = 0;

  constructor(inner: Terminal) {
    super({ autoDestroy: false, emitClose: false });
    this.#inner = inner;
    // Each write counts its error; a stream without a listener would throw.
    inner.on('error', () => undefined);
  }

  get isTTY(): boolean {
    return this.#inner.isTTY === true;
  }

  get columns(): number | undefined {
    return this.#inner.columns;
  }

  /** Writes that did not arrive. */
  get lost(): number {
    return this.#lost;
  }

  override write(chunk: unknown, encoding?: BufferEncoding | Done, callback?: Done): boolean {
    const done = typeof encoding === 'function' ? encoding : callback;
    if (this.#inner.destroyed || this.#inner.writableLength > WAITING_BYTES_MAX) {
      this.#lost++;
      if (done !== undefined) process.nextTick(done);
      return true;
    }
    this.#inner.write(chunk, (error) => {
      if (error !== null && error !== undefined) this.#lost++;
      done?.();
    });
    return true;
  }
}

export type Terminal = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number | undefined;
};
