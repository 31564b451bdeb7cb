import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { isRefusal } from '../../telemetry/file-output.ts';
import { EXIT } from '../exit-codes.ts';

/**
 * Signals that end the program: of a person, of a supervisor, of a terminal that goes away, of a
 * limit on CPU time, of a power supply and of a timer that fail. Unheard, each would be the end at
 * once, and TC filters would stay.
 */
const SIGNALS = [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const),
  ...(['SIGXCPU', 'SIGPWR', 'SIGALRM'] as const),
];

/**
 * Time within which more signals are the same request: a terminal signals a whole process group,
 * and npm or timeout(1), which are in it, pass the signal on once more.
 */
const SAME_REQUEST_MS = 1000;

/** Below the 30 s that Kubernetes and others give before they kill. */
const STOP_TIMEOUT_MS = 28_000;

export interface StopDeps {
  readonly clock: Clock;
  readonly stdout: Writable;
  /** SIGHUP is no request to end, as under nohup(1). */
  readonly hangupIsIgnored?: boolean;
  /** Ends the process, whatever is still being done. */
  readonly exit: (code: number) => void;
}

export interface StopSignal extends Disposable {
  readonly signal: AbortSignal;
  /** Nobody reads what the program was started for any more: what is left is lost to nobody. */
  readonly isReaderGone: boolean;
  /** Why the program ends, unless by a request: the first error given to `fail`. */
  readonly failure: unknown;
  /** Requests the end because of an error: a component that failed, or a bug that nobody caught. */
  fail(error: unknown): void;
}

/**
 * Aborts at the first request to stop; a later one does not wait for what is still being done, nor
 * does the time's end. The end of the reader of standard output is a request, and so is an error
 * that nobody caught: hooks and filters are to go all the same.
 */
export function stopSignal({ clock, stdout, exit, ...deps }: StopDeps): StopSignal {
  const signals = SIGNALS.filter((name) => name !== 'SIGHUP' || deps.hangupIsIgnored !== true);
  const controller = new AbortController();
  const over = new AbortController();
  let firstMs = 0;
  let isReaderGone = false;
  let failure: unknown;
  const request = (reason: unknown): void => {
    if (controller.signal.aborted) return;
    firstMs = clock.monotonicMs();
    controller.abort(reason);
    clock.sleep(STOP_TIMEOUT_MS, over.signal).then(
      () => exit(EXIT.unfinished),
      () => undefined,
    );
  };
  const onSignal = (name: string): void => {
    const isLater = controller.signal.aborted && clock.monotonicMs() - firstMs > SAME_REQUEST_MS;
    if (isLater) exit(EXIT.unfinished);
    request(name);
  };
  const onOutputError = (error: Error): void => {
    if (isRefusal(error)) return;
    isReaderGone = true;
    request(error);
  };
  const fail = (error: unknown): void => {
    failure ??= error;
    request(error);
  };
  for (const name of signals) process.on(name, onSignal);
  stdout.on('error', onOutputError);
  process.on('uncaughtException', fail);
  return {
    signal: controller.signal,
    get isReaderGone() {
      return isReaderGone;
    },
    get failure() {
      return failure;
    },
    fail,
    [Symbol.dispose]() {
      over.abort();
      for (const name of signals) process.off(name, onSignal);
      stdout.off('error', onOutputError);
      process.off('uncaughtException', fail);
    },
  };
}
