import { RefusedError } from './client.ts';

/** Retries of a query before its error is shown. */
const RETRIES_MAX = 3;
const RETRY_AFTER_MAX_S = 30;

/** A busy server says when to retry; other errors would be repeated, or end by themselves. */
export function isWorthRetrying(failures: number, error: unknown): boolean {
  return error instanceof RefusedError && error.retryAfterS !== undefined && failures < RETRIES_MAX;
}

/** Randomized, because all panels of a page are refused at once. */
export function retryDelayMs(failures: number, error: unknown, random: () => number): number {
  const askedS = error instanceof RefusedError ? (error.retryAfterS ?? 1) : 1;
  return Math.min(RETRY_AFTER_MAX_S, askedS) * 1000 * (failures + 1) * (1 + random());
}
