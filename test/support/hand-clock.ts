import type { Clock } from '../../src/base/clock.ts';

export interface HandClock extends Clock {
  /** Time of both clocks, unless the wall clock is set. */
  now: number;
  /** Amount by which the wall clock has been set forward. */
  setByMs: number;
  tick(): void;
}

/** A clock that stands still until a test moves it; it ticks on the test's request. */
export function handClock(startMs: number): HandClock {
  const ticks = new Set<() => void>();
  const clock = {
    now: startMs,
    setByMs: 0,
    nowMs: () => clock.now + clock.setByMs,
    monotonicMs: () => clock.now,
    sleep: () => Promise.reject(new Error('the store does not sleep')),
    every(_ms: number, tick: () => void): Disposable {
      ticks.add(tick);
      return { [Symbol.dispose]: () => ticks.delete(tick) };
    },
    tick: () => {
      for (const tick of ticks) tick();
    },
  };
  return clock;
}
