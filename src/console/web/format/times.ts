const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

/** Offsets change on quarters of an hour, UTC. */
const OFFSET_PERIOD_MS = 900_000;
const OFFSETS_MAX = 1024;
/** Longer than any change of the clocks, so that it reaches the other side of the change. */
const BEYOND_CHANGE_MS = 3 * 3_600_000;
const DAY_MS = 86_400_000;

/** Formats instants in one time zone. */
export interface Times {
  /** The zone's IANA name, such as `Europe/Berlin`. */
  readonly zone: string;
  /** `14:03:09.250`, with the date in front when it isn't that of `nowMs`. */
  readonly time: (epochMs: number, nowMs: number) => string;
  /** `14:03:09`. */
  readonly clock: (epochMs: number) => string;
  /** `2026-11-20 14:03`. */
  readonly minute: (epochMs: number) => string;
  /** `+02:00`. */
  readonly offset: (epochMs: number) => string;
  /** The value of a `datetime-local` input with seconds. */
  readonly toInput: (epochMs: number) => string;
  /**
   * The instants that such a value may mean: two in an hour that clocks repeat, none in an hour
   * that they skip, or while the value is incomplete.
   */
  readonly fromInput: (text: string) => readonly number[];
  /** Round times from `minS` to `maxS`, about `incrementS` apart, in epoch seconds. */
  readonly ticks: (minS: number, maxS: number, incrementS: number) => number[];
}

/**
 * Times of a zone. When clocks are set back, an hour repeats; the offset to UTC distinguishes both,
 * and is omitted elsewhere.
 */
export function createTimes(zone: string): Times {
  const offsetAt = createOffsets(zone);
  const wall = (epochMs: number): Date => new Date(epochMs + offsetAt(epochMs));

  const offset = (epochMs: number): string => {
    const minutes = Math.round(offsetAt(epochMs) / 60_000);
    const size = Math.abs(minutes);
    return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
  };
  /** Another instant has the same clock time. */
  const isTwice = (epochMs: number): boolean => {
    const own = offsetAt(epochMs);
    return [-BEYOND_CHANGE_MS, BEYOND_CHANGE_MS].some((away) => {
      const other = offsetAt(epochMs + away);
      return other !== own && offsetAt(epochMs + own - other) === other;
    });
  };
  const told = (text: string, epochMs: number): string =>
    isTwice(epochMs) ? `${text} ${offset(epochMs)}` : text;
  const clockOf = (date: Date): string =>
    `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
  const dayOf = (date: Date): string => date.toISOString().slice(0, 10);

  return {
    zone,
    offset,
    time(epochMs, nowMs) {
      if (!isDate(epochMs)) return String(epochMs);
      const date = wall(epochMs);
      const clock = `${clockOf(date)}.${pad(date.getUTCMilliseconds(), 3)}`;
      const isToday = dayOf(date) === dayOf(wall(nowMs));
      return told(isToday ? clock : `${dayOf(date).slice(5)} ${clock}`, epochMs);
    },
    clock: (epochMs) => told(clockOf(wall(epochMs)), epochMs),
    minute(epochMs) {
      const date = wall(epochMs);
      return told(`${dayOf(date)} ${clockOf(date).slice(0, 5)}`, epochMs);
    },
    toInput(epochMs) {
      const date = wall(epochMs);
      return `${dayOf(date)}T${clockOf(date)}`;
    },
    fromInput(text) {
      const shown = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?$/.test(text)
        ? new Date(`${text}Z`).getTime()
        : Number.NaN;
      if (Number.isNaN(shown)) return [];
      const offsets = new Set([offsetAt(shown - DAY_MS), offsetAt(shown + DAY_MS)]);
      return [...offsets]
        .map((own) => ({ own, epochMs: shown - own }))
        .filter(({ own, epochMs }) => offsetAt(epochMs) === own)
        .map(({ epochMs }) => epochMs)
        .sort((a, b) => a - b);
    },
    ticks: (minS, maxS, incrementS) => ticksOf(offsetAt, minS, maxS, incrementS),
  };
}

/** Within the range of a JavaScript date, less a day for offsets. */
function isDate(epochMs: number): boolean {
  return Math.abs(epochMs) <= 8.64e15 - DAY_MS;
}

/** Offset of a zone from UTC at an instant, in milliseconds. */
function createOffsets(zone: string): (epochMs: number) => number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    era: 'short',
    ...({ year: 'numeric', month: 'numeric', day: 'numeric' } as const),
    ...({ hour: 'numeric', minute: 'numeric', second: 'numeric' } as const),
  });
  const known = new Map<number, number>();
  return (epochMs) => {
    if (!isDate(epochMs)) return 0;
    const period = Math.floor(epochMs / OFFSET_PERIOD_MS);
    const before = known.get(period);
    if (before !== undefined) return before;
    if (known.size >= OFFSETS_MAX) known.clear();
    const instant = period * OFFSET_PERIOD_MS;
    const part: Partial<Record<string, string>> = Object.fromEntries(
      format.formatToParts(instant).map(({ type, value }) => [type, value]),
    );
    const number = (name: string): number => Number(part[name] ?? 0);
    // The year before AD 1 is 1 BC, which has the number 0.
    const year = part.era === 'BC' ? 1 - number('year') : number('year');
    const shown = new Date(0);
    shown.setUTCFullYear(year, number('month') - 1, number('day'));
    shown.setUTCHours(number('hour'), number('minute'), number('second'));
    const offset = shown.getTime() - instant;
    known.set(period, offset);
    return offset;
  };
}

const TICKS_MAX = 200;

/** Multiples of the increment on the clock: after clocks change, ticks are round again. */
function ticksOf(
  offsetAt: (epochMs: number) => number,
  minS: number,
  maxS: number,
  incrementS: number,
): number[] {
  const ticks: number[] = [];
  /** Seconds since the last round time on the clock. */
  const past = (atS: number): number => {
    const shown = atS + offsetAt(atS * 1000) / 1000;
    return ((shown % incrementS) + incrementS) % incrementS;
  };
  const first = past(minS);
  let at = first === 0 ? minS : minS + incrementS - first;
  while (at <= maxS && ticks.length < TICKS_MAX) {
    const off = past(at);
    // The clocks changed since the last tick. Ticks hardly move closer, so that labels fit.
    if (off > 0) at += off <= incrementS / 4 ? -off : incrementS - off;
    if (at > maxS) break;
    if (at >= minS && at > (ticks.at(-1) ?? Number.NEGATIVE_INFINITY)) ticks.push(at);
    at += incrementS;
  }
  return ticks;
}
