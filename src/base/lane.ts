import { assert } from './assert.ts';

export interface LaneLimits {
  /** Tasks that run at the same time. */
  readonly runningMax: number;
  /** Tasks that wait for their turn. */
  readonly waitingMax: number;
  /** Reports the tasks that run and those that wait, whenever their numbers change. */
  readonly onChange?: (running: number, waiting: number) => void;
}

export interface LaneTurn {
  /** Aborted: the task is not wanted any more and leaves the lane at once. */
  readonly signal?: AbortSignal;
  /** The caller that asks. Callers take turns, however many tasks each of them has. */
  readonly of?: unknown;
}

/** The answer to a task that asks for its turn. After `entered` the caller must call `leave`. */
export type LaneEntry = 'entered' | 'aborted' | 'full';

type Waiting = Set<() => void>;

/**
 * Runs a bounded number of tasks at a time: tasks of one caller in the order of arrival, and one of
 * each caller before a second one of any.
 */
export class Lane {
  readonly #limits: LaneLimits;
  // Insertion order is the order of turns; leaving costs the same anywhere.
  readonly #askers = new Map<unknown, Waiting>();
  #running = 0;
  #waiting = 0;

  constructor(limits: LaneLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Undefined, without running the task, if `signal` is aborted before its turn. For lanes that
   * their callers cannot fill.
   */
  async run<T>(task: () => Promise<T>, turn: LaneTurn = {}): Promise<T | undefined> {
    const entry = await this.enter(turn);
    assert(entry !== 'full', `no more than ${this.#limits.waitingMax} tasks wait in this lane`);
    if (entry === 'aborted') return undefined;
    try {
      return await task();
    } finally {
      this.leave();
    }
  }

  /** Resolves when it is the task's turn, or when no turn will come. */
  async enter({ signal, of }: LaneTurn = {}): Promise<LaneEntry> {
    if (signal?.aborted === true) return 'aborted';
    if (this.#running < this.#limits.runningMax) {
      this.#count(1, 0);
      return 'entered';
    }
    if (this.#waiting >= this.#limits.waitingMax) return 'full';
    return new Promise((resolve) => {
      const abort = (): void => {
        const queue = this.#askers.get(of);
        queue?.delete(enter);
        if (queue?.size === 0) this.#askers.delete(of);
        this.#count(0, -1);
        resolve('aborted');
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve('entered');
      };
      const queue = this.#askers.get(of) ?? new Set();
      this.#askers.set(of, queue.add(enter));
      signal?.addEventListener('abort', abort, { once: true });
      this.#count(0, 1);
    });
  }

  /** Ends a turn: the next task that waits takes it over. */
  leave(): void {
    const [first] = this.#askers;
    if (first === undefined) {
      this.#count(-1, 0);
      return;
    }
    const [of, queue] = first;
    const [enter] = queue;
    assert(enter !== undefined, 'an asker that waits has a task');
    // The other callers come first before this one has its turn again.
    this.#askers.delete(of);
    queue.delete(enter);
    if (queue.size > 0) this.#askers.set(of, queue);
    this.#count(0, -1);
    enter();
  }

  #count(running: number, waiting: number): void {
    this.#running += running;
    this.#waiting += waiting;
    this.#limits.onChange?.(this.#running, this.#waiting);
  }
}
