export interface BackoffLimits {
  /** Longest wait before the first retry. */
  readonly firstMs: number;
  /** Longest wait before any retry. */
  readonly maxMs: number;
}

/**
 * Milliseconds to wait before retry `retry` (from 0): a random part, at least half, of a wait that
 * doubles each time, so that the many clients of a server that came back do not all reconnect at
 * once. `random` returns 0 to 1.
 */
export function backoffMs(retry: number, limits: BackoffLimits, random: () => number): number {
  const longest = Math.min(limits.maxMs, limits.firstMs * 2 ** Math.min(retry, 30));
  return longest * (0.5 + random() / 2);
}
