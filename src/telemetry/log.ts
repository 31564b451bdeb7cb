import type { Writable } from 'node:stream';
import { type Logger, pino } from 'pino';

/**
 * Constant lower-case messages plus fields: `log.warn({ component: 'drain', lost }, 'map is full')`.
 */
export type Log = Logger;

/** `warning` and `panic` are the words of `netobserv-ebpf-agent` for `warn` and `fatal`. */
export type LogLevel =
  | 'trace'
  | 'debug'
  | 'info'
  | 'warn'
  | 'warning'
  | 'error'
  | 'fatal'
  | 'panic'
  | 'silent';

const SYNONYMS: Readonly<Partial<Record<LogLevel, LogLevel>>> = { warning: 'warn', panic: 'fatal' };

/** JSON lines on standard error: standard output belongs to the command's own result. */
export function createLog(level: LogLevel, stderr: Pick<Writable, 'write'> = process.stderr): Log {
  return pino({ level: SYNONYMS[level] ?? level, base: null }, stderr);
}
