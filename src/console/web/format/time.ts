/** Times are local in the page and UTC in tooltips. */

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** `14:03:09.250`, with the day in front when it isn't today's: `11-20 14:03:09.250`. */
export function formatTime(epochMs: number, nowMs: number): string {
  const date = new Date(epochMs);
  const clock = `${formatClock(epochMs)}.${pad(date.getMilliseconds(), 3)}`;
  return sameDay(date, new Date(nowMs)) ? clock : `${formatDay(date)} ${clock}`;
}

/** `14:03:09`. */
export function formatClock(epochMs: number): string {
  const date = new Date(epochMs);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `2026-11-20 14:03`, the form that the range picker shows. */
export function formatMinute(epochMs: number): string {
  const date = new Date(epochMs);
  return `${date.getFullYear()}-${formatDay(date)} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/** `2026-11-20T14:03:09.250Z`. */
export function formatUtc(epochMs: number): string {
  return Number.isFinite(epochMs) && Math.abs(epochMs) <= 8.64e15
    ? new Date(epochMs).toISOString()
    : String(epochMs);
}

/** The value of a `datetime-local` input with seconds. */
export function toInputValue(epochMs: number): string {
  const date = new Date(epochMs);
  return `${date.getFullYear()}-${formatDay(date)}T${formatClock(epochMs)}`;
}

/** Epoch milliseconds of a `datetime-local` value; undefined while it is incomplete. */
export function fromInputValue(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)) return undefined;
  const ms = new Date(text).getTime();
  return Number.isNaN(ms) ? undefined : ms;
}

function formatDay(date: Date): string {
  return `${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

function sameDay(a: Date, b: Date): boolean {
  return a.toDateString() === b.toDateString();
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
