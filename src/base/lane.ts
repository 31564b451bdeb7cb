/**
 * Runs tasks one at a time, in the order in which they came. Its length is that of whatever asks:
 * callers say by `signal` when theirs is not wanted any more, and it leaves at once.
 */
export class Lane {
  // Insertion order is the order of turns; leaving costs the same from any place.
  readonly #waiting = new Set<() => void>();
  #busy = false;

  /** Undefined without having run when `signal` is aborted before the task's turn. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    if (!(await this.#turn(signal))) return undefined;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  async #turn(signal: AbortSignal | undefined): Promise<boolean> {
    if (signal?.aborted === true) return false;
    if (!this.#busy) {
      this.#busy = true;
      return true;
    }
    return new Promise((resolve) => {
      const leave = (): void => {
        this.#waiting.delete(enter);
        resolve(false);
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve(true);
      };
      this.#waiting.add(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#busy = false;
      return;
    }
    this.#waiting.delete(first);
    first();
  }
}
