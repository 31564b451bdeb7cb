import type { Clock } from '../../base/clock.ts';

/** Signals that end the program. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Time within which more signals are the same request: a terminal signals a whole process group,
 * and npm or timeout(1), which are in it, pass the signal on once more.
 */
const SAME_REQUEST_MS = 1000;

const EXIT_UNFINISHED = 130;

export interface StopSignal extends Disposable {
  readonly signal: AbortSignal;
}

/** Aborts at the first request to stop; a later one does not wait for what is still being done. */
export function stopSignal(clock: Clock): StopSignal {
  const controller = new AbortController();
  let firstMs = 0;
  const onSignal = (name: string): void => {
    if (!controller.signal.aborted) {
      firstMs = clock.monotonicMs();
      controller.abort(name);
    } else if (clock.monotonicMs() - firstMs > SAME_REQUEST_MS) {
      process.exit(EXIT_UNFINISHED);
    }
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
