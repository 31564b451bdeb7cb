export interface LaneTurn {
  /** Aborted: the task is not wanted any more, and leaves the lane at once. */
  readonly signal?: AbortSignal;
  /** Who asks. Those who ask take turns, however much each of them asks for. */
  readonly of?: unknown;
}

type Waiting = Set<() => void>;

/**
 * Runs tasks one at a time: those of one asker in the order in which they came, and one of each
 * asker before the second of any. Its length is that of whatever asks.
 */
export class Lane {
  // Insertion order is the order of turns; leaving costs the same from any place.
  readonly #waiting = new Map<unknown, Waiting>();
  #busy = false;

  /** Undefined without having run when `signal` is aborted before the task's turn. */
  async run<T>(task: () => Promise<T>, turn: LaneTurn = {}): Promise<T | undefined> {
    if (!(await this.#turn(turn))) return undefined;
    try {
      return await task();
    } finally {
      this.#next();
    }
  }

  async #turn({ signal, of }: LaneTurn): Promise<boolean> {
    if (signal?.aborted === true) return false;
    if (!this.#busy) {
      this.#busy = true;
      return true;
    }
    return new Promise((resolve) => {
      const leave = (): void => {
        const queue = this.#waiting.get(of);
        queue?.delete(enter);
        if (queue?.size === 0) this.#waiting.delete(of);
        resolve(false);
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve(true);
      };
      const queue = this.#waiting.get(of) ?? new Set();
      this.#waiting.set(of, queue.add(enter));
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#busy = false;
      return;
    }
    const [of, queue] = first;
    const [enter] = queue;
    // The others come first before it is this one's turn again.
    this.#waiting.delete(of);
    if (enter === undefined) return;
    queue.delete(enter);
    if (queue.size > 0) this.#waiting.set(of, queue);
    enter();
  }
}
