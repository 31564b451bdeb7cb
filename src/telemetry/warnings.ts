import type { Log } from './log.ts';

/** The part of `process` that emits Node's warnings. */
export interface WarningSource {
  removeAllListeners(event: 'warning'): unknown;
  on(event: 'warning', listener: (warning: Error & { code?: string }) => void): unknown;
}

/** Turns Node's warnings into log lines; Node would write them to standard error as plain text. */
export function logNodeWarnings(log: Log, source: WarningSource): void {
  // One of them is Node's own, which writes to standard error.
  source.removeAllListeners('warning');
  source.on('warning', ({ name, code, message }) => {
    log.warn({ kind: name, ...(code === undefined ? {} : { code }) }, message);
  });
}
