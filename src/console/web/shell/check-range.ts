import type { Range } from '../state/view-state.ts';

/** Why a pair of times is not a range; the words are keys of its message. */
export type RangeProblem = 'incomplete' | 'order' | 'future';

/** Clocks of browser and server may differ by this much without anyone being wrong. */
const FUTURE_GRACE_MS = 60_000;

export function checkRange(
  fromMs: number | undefined,
  toMs: number | undefined,
  nowMs: number,
): Range | RangeProblem {
  if (fromMs === undefined || toMs === undefined) return 'incomplete';
  const startS = Math.floor(fromMs / 1000);
  const endS = Math.floor(toMs / 1000);
  if (endS <= startS) return 'order';
  if (toMs > nowMs + FUTURE_GRACE_MS) return 'future';
  return { kind: 'between', startS, endS };
}
