import { Writable } from 'node:stream';

type Done = (error?: Error | null) => void;

/** What may wait for a terminal that was stopped (Ctrl-S), or a reader of the log that is slow. */
const WAITING_BYTES_MAX = 256 * 1024;

/**
 * Standard error: log lines, progress, errors. Writing never waits and never fails, since nothing
 * that is said here is worth ending, or holding up, a capture. What is lost is counted.
 */
export class LossyOutput extends Writable {
  readonly #inner: Terminal;
  #lost = 0;

  constructor(inner: Terminal) {
    super({ autoDestroy: false, emitClose: false });
    this.#inner = inner;
    // Counted by each write; a stream that nobody listens to would throw.
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
