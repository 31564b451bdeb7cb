import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { isRefusal } from '../../telemetry/file-output.ts';
import { EXIT } from '../exit-codes.ts';

/**
 * Signals that end the program: from a person, a supervisor, a terminal that goes away, a limit on
 * CPU time, a failing power supply or a failing timer. Without a handler, each would end it at
 * once, and TC filters would stay attached.
 */
const SIGNALS = [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const),
  ...(['SIGXCPU', 'SIGPWR', 'SIGALRM'] as const),
];

/**
 * Signals within this time are the same request: a terminal signals a whole process group, and npm
 * or timeout(1), which are in it, pass the signal on once more.
 */
const SAME_REQUEST_MS = 1000;

/** Below the 30 s that Kubernetes and others wait before they kill. */
const STOP_TIMEOUT_MS = 28_000;

export interface StopDeps {
  readonly clock: Clock;
  readonly stdout: Writable;
  /** SIGHUP does not request the end, as under nohup(1). */
  readonly hangupIsIgnored?: boolean;
  /** Ends the process without waiting for unfinished work. */
  readonly exit: (code: number) => void;
}

export interface StopSignal extends Disposable {
  readonly signal: AbortSignal;
  /** The reader of the program's output is gone, so nobody misses what is lost from now on. */
  readonly isReaderGone: boolean;
  /** The first error given to `fail`; undefined if the program ends by request. */
  readonly failure: unknown;
  /** Requests the end because of an error: a failed component or an uncaught bug. */
  fail(error: unknown): void;
}

/**
 * Aborts at the first request to stop. A later request, or the timeout, ends the process without
 * waiting for unfinished work. A closed standard output is a request, and so is an uncaught error:
 * hooks and filters must be removed all the same.
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
