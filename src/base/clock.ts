/** The only access to time: components take a `Clock`, tests drive theirs by hand. */
export interface Clock {
  /** Wall clock, epoch milliseconds. */
  nowMs(): number;
  /** Monotonic milliseconds with a fraction; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after `ms`, rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `tick` every `ms` until disposed. A slow tick delays the next; ticks never overlap. */
  every(ms: number, tick: () => void): Disposable;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),

  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason);
        return;
      }
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  },

  every(ms, tick) {
    const timer = setInterval(tick, ms);
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/** The only access to chance: components take `random`, from 0 to 1, and tests give theirs. */
export const systemRandom: () => number = Math.random;

/**
 * CLOCK_MONOTONIC in milliseconds: the clock of the kernel's own time stamps, which count from boot
 * (suspended time excepted).
 */
export function kernelMonotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
