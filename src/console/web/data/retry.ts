import { RefusedError } from './client.ts';

/** Times that a query is asked again before a person is told. */
const RETRIES_MAX = 3;
const RETRY_AFTER_MAX_S = 30;

/** A busy server says when to come back; all else would be refused again, or heals by itself. */
export function isWorthRetrying(failures: number, error: unknown): boolean {
  return error instanceof RefusedError && error.retryAfterS !== undefined && failures < RETRIES_MAX;
}

/** Spread out, as all panels of a page are refused at once. */
export function retryDelayMs(failures: number, error: unknown, random: () => number): number {
  const askedS = error instanceof RefusedError ? (error.retryAfterS ?? 1) : 1;
  return Math.min(RETRY_AFTER_MAX_S, askedS) * 1000 * (failures + 1) * (1 + random());
}
