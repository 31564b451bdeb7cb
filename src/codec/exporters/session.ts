/** Datagrams that come later than this many units after their successors begin a new sequence. */
const LATE_MAX = 10_000;
/** A larger step is a new sequence, not a gap. */
const GAP_MAX = 1_000_000;
/** An uptime that falls by more than this is that of an exporter that started again. */
const RESTART_MS = 60_000;

/**
 * State of an exporter that is not renewed for this long is forgotten, milliseconds. Exporters send
 * their templates every 30 minutes at least, unless they are configured otherwise.
 */
export const LIFETIME_MS = 2 * 60 * 60 * 1000;
/** Time between two searches for what has expired, milliseconds. */
export const SWEEP_PERIOD_MS = 60_000;

/** The sequence number that a datagram should have, if the one before did not tell. */
export const UNKNOWN_SEQUENCE = -1;
/** The answer of `missingBefore` for a datagram that its successors have overtaken. */
export const LATE = -1;

/**
 * How many units are missing between the sequence number that was expected and that of a datagram.
 * Both have 32 bits, and begin again from 0.
 */
export function missingBefore(expected: number, sequence: number): number {
  if (expected === UNKNOWN_SEQUENCE) return 0;
  const gap = (sequence - expected) | 0;
  if (gap < 0 && gap >= -LATE_MAX) return LATE;
  return gap > 0 && gap <= GAP_MAX ? gap : 0;
}

/** Whether uptimes, milliseconds of 32 bits, are those of two runs of an exporter. */
export function hasRestarted(beforeMs: number, uptimeMs: number): boolean {
  return ((uptimeMs - beforeMs) | 0) < -RESTART_MS;
}
