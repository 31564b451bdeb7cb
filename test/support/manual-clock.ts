import type { Clock } from '../../src/base/clock.ts';

interface Timer {
  dueMs: number;
  readonly everyMs: number | undefined;
  readonly fire: () => void;
}

/**
 * A clock that moves only on request. By `advance`, sleepers and periodic calls come due in order;
 * with `now` and `tick`, a test decides when the periodic calls come.
 */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #startMs: number;
  readonly #timers = new Set<Timer>();
  /** Amount by which the wall clock is set forward, milliseconds. */
  setByMs = 0;

  constructor(startMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#startMs = startMs;
  }

  /** Waiting timers. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Time of both clocks, unless the wall clock is set. Setting it makes nothing come due. */
  get now(): number {
    return this.#nowMs;
  }

  set now(ms: number) {
    this.#nowMs = ms;
  }

  nowMs(): number {
    return this.#nowMs + this.setByMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      // No time needs to pass.
      if (ms === 0) {
        resolve();
        return;
      }
      const timer: Timer = { dueMs: this.#nowMs + ms, everyMs: undefined, fire: resolve };
      this.#timers.add(timer);
      signal?.addEventListener('abort', () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      });
    });
  }

  every(ms: number, tick: () => void): Disposable {
    const timer: Timer = { dueMs: this.#nowMs + ms, everyMs: ms, fire: tick };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Makes each periodic call once, whatever its period. */
  tick(): void {
    for (const { everyMs, fire } of [...this.#timers]) if (everyMs !== undefined) fire();
  }

  /** Advances by `ms`; promises settled on the way have run when this resolves. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    while (this.#fireNext(endMs)) await settle();
    this.#nowMs = endMs;
    await settle();
  }

  /** Advances by `ms` at once: continuations of promises run only after the caller has awaited. */
  jump(ms: number): void {
    const endMs = this.#nowMs + ms;
    while (this.#fireNext(endMs));
    this.#nowMs = endMs;
  }

  /** Advances to the next timer that is due by then; false if there is none. */
  #fireNext(endMs: number): boolean {
    const [next] = [...this.#timers].sort((a, b) => a.dueMs - b.dueMs);
    if (next === undefined || next.dueMs > endMs) return false;
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    if (next.everyMs === undefined) this.#timers.delete(next);
    else next.dueMs += next.everyMs;
    next.fire();
    return true;
  }
}

/** Runs everything that waits only for promises. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
