import type { Log } from './log.ts';

/** The part of `process` that tells Node's warnings. */
export interface WarningSource {
  removeAllListeners(event: 'warning'): unknown;
  on(event: 'warning', listener: (warning: Error & { code?: string }) => void): unknown;
}

/** Makes log lines of Node's warnings, which it writes to standard error as they are. */
export function logNodeWarnings(log: Log, source: WarningSource): void {
  // One of them is Node's own, which writes.
  source.removeAllListeners('warning');
  source.on('warning', ({ name, code, message }) => {
    log.warn({ kind: name, ...(code === undefined ? {} : { code }) }, message);
  });
}
