/** `2026-11-20T14:03:09.250Z`. */
export function formatUtc(epochMs: number): string {
  return Number.isFinite(epochMs) && Math.abs(epochMs) <= 8.64e15
    ? new Date(epochMs).toISOString()
    : String(epochMs);
}

const DURATION_STEPS: readonly (readonly [unit: string, ms: number])[] = [
  ['w', 604_800_000],
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** `0 ms`, `250 ms`, `1.25 s`, `2m 5s`, `1d 3h`. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1) return ms === 0 ? '0 ms' : `${Number((ms * 1000).toPrecision(3))} µs`;
  if (ms < 1000) return `${Number(ms.toPrecision(3))} ms`;
  if (ms < 60_000) return `${Number((ms / 1000).toPrecision(3))} s`;
  const parts: string[] = [];
  let rest = Math.round(ms / 1000) * 1000;
  for (const [unit, size] of DURATION_STEPS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

/** `5m`, `2h`, `1w`: whole units of a range's length. */
export function formatSpan(seconds: number): string {
  for (const [unit, size] of DURATION_STEPS) {
    const count = (seconds * 1000) / size;
    if (Number.isInteger(count)) return `${count}${unit}`;
  }
  return `${seconds}s`;
}
