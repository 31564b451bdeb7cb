import type { Clock } from '../../../src/base/clock.ts';

interface Timer {
  dueMs: number;
  readonly everyMs: number | undefined;
  readonly fire: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = { dueMs: this.#nowMs + ms, everyMs: undefined, fire: resolve };
      this.#timers.add(timer);
      signal?.addEventListener('abort', () => {
        this.#timers.delete(timer);
        reject(signal.reason);
      });
    });
  }

  every(ms: number, tick: () => void): Disposable {
    const timer = { dueMs: this.#nowMs + ms, everyMs: ms, fire: tick };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => this.#timers.delete(timer) };
  }

  /** Moves time on and fires what falls due on the way, in order. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.dueMs <= endMs);
      const next = due.sort((left, right) => left.dueMs - right.dueMs)[0];
      if (next === undefined) break;
      this.#nowMs = next.dueMs;
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.dueMs += next.everyMs;
      next.fire();
    }
    this.#nowMs = endMs;
  }
}
