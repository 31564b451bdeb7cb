import { type Logger, pino } from 'pino';

/**
 * Constant lower-case messages plus fields: `log.warn({ component: 'drain', lost }, 'map is full')`.
 */
export type Log = Logger;

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** JSON lines on standard error: standard output belongs to the command's own result. */
export function createLog(level: LogLevel): Log {
  return pino({ level, base: null }, pino.destination({ dest: 2, sync: true }));
}
