import type { Writable } from 'node:stream';
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

/**
 * Aborts at the first request to stop; a later one does not wait for what is still being done. So
 * does the end of whoever reads standard output.
 */
export function stopSignal(clock: Clock, stdout: Writable): StopSignal {
  const controller = new AbortController();
  let firstMs = 0;
  const request = (reason: unknown): void => {
    if (controller.signal.aborted) return;
    firstMs = clock.monotonicMs();
    controller.abort(reason);
  };
  const onSignal = (name: string): void => {
    const isLater = controller.signal.aborted && clock.monotonicMs() - firstMs > SAME_REQUEST_MS;
    if (isLater) process.exit(EXIT_UNFINISHED);
    request(name);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  stdout.on('error', request);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of SIGNALS) process.off(name, onSignal);
      stdout.off('error', request);
    },
  };
}
