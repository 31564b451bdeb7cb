import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTimes } from '../../../../../src/console/web/format/times.ts';

const berlin = createTimes('Europe/Berlin');
const utc = createTimes('UTC');
const ms = (iso: string): number => new Date(iso).getTime();

/** Clocks go from 03:00 +02:00 back to 02:00 +01:00 at 01:00 UTC. */
const BACK = ms('2026-10-25T01:00:00Z');
/** Clocks go from 02:00 +01:00 to 03:00 +02:00 at 01:00 UTC. */
const FORWARD = ms('2026-03-29T01:00:00Z');
const HOUR = 3_600_000;

test.each([
  ['the hour before the first one', BACK - HOUR - 1, '01:59:59'],
  ['the first of both hours', BACK - HOUR, '02:00:00 +02:00'],
  ['the end of the first', BACK - 1, '02:59:59 +02:00'],
  ['the second of both hours', BACK, '02:00:00 +01:00'],
  ['the end of the second', BACK + HOUR - 1, '02:59:59 +01:00'],
  ['the hour after them', BACK + HOUR, '03:00:00'],
  ['before clocks go forward', FORWARD - 1, '01:59:59'],
  ['after they went forward', FORWARD, '03:00:00'],
])('%s', (_what, at, clock) => {
  expect(berlin.clock(at)).toBe(clock);
  expect(berlin.clock(at).slice(0, 8)).toBe(berlin.time(at, at).slice(0, 8));
  expect(berlin.minute(at)).toContain(clock.slice(0, 5));
});

test('zones of half hours, of the south and far from Greenwich', () => {
  expect(createTimes('Asia/Kolkata').clock(0)).toBe('05:30:00');
  // Lord Howe Island sets its clocks by half an hour.
  const howe = createTimes('Australia/Lord_Howe');
  const back = ms('2026-04-04T15:00:00Z');
  expect(howe.clock(back - 1)).toBe('01:59:59 +11:00');
  expect(howe.clock(back)).toBe('01:30:00 +10:30');
  expect(createTimes('Pacific/Kiritimati').minute(ms('2026-01-01T12:00:00Z'))).toBe(
    '2026-01-02 02:00',
  );
  expect(createTimes('America/St_Johns').offset(ms('2026-01-01T00:00:00Z'))).toBe('-03:30');
});

test('the day stands in front when it is another one in that zone', () => {
  const lateEvening = ms('2026-11-20T23:30:00.250Z');
  expect(utc.time(lateEvening, lateEvening + HOUR)).toBe('11-20 23:30:00.250');
  expect(berlin.time(lateEvening, lateEvening + HOUR)).toBe('00:30:00.250');
});

test('what is typed is one instant, two or none', () => {
  expect(berlin.fromInput('2026-07-01T12:00')).toEqual([ms('2026-07-01T10:00:00Z')]);
  expect(berlin.fromInput('2026-10-25T02:30:00')).toEqual([BACK - HOUR / 2, BACK + HOUR / 2]);
  expect(berlin.fromInput('2026-03-29T02:30:00')).toEqual([]);
  expect(berlin.fromInput('2026-03-29')).toEqual([]);
  expect(utc.fromInput('2026-10-25T02:30:00')).toEqual([ms('2026-10-25T02:30:00Z')]);
});

const ZONES = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'];
const instant = fc.integer({ min: ms('1971-01-01T00:00Z') / 1000, max: 4_000_000_000 });

test('what an input shows means the instant that it was made from', () => {
  const all = ZONES.map(createTimes);
  fc.assert(
    fc.property(fc.constantFrom(...all), instant, (times, seconds) => {
      expect(times.fromInput(times.toInput(seconds * 1000))).toContain(seconds * 1000);
    }),
  );
});

test.each([
  ['back', BACK - 3 * HOUR, ['00:00:00', '02:00:00 +02:00', '04:00:00', '06:00:00']],
  ['forward', FORWARD - 2 * HOUR, ['00:00:00', '04:00:00', '06:00:00', '08:00:00']],
])('ticks two hours apart are round again after clocks went %s', (_way, from, clocks) => {
  const ticks = berlin.ticks(from / 1000, from / 1000 + 9 * 3600, 7200).slice(0, 4);
  expect(ticks.map((tick) => berlin.clock(tick * 1000))).toEqual(clocks);
});

test('of an hour that comes twice each has its tick', () => {
  const from = BACK / 1000 - 7200;
  const shown = berlin.ticks(from, from + 4 * 3600, 3600).map((tick) => berlin.clock(tick * 1000));
  expect(shown).toEqual(['01:00:00', '02:00:00 +02:00', '02:00:00 +01:00', '03:00:00', '04:00:00']);
});

test('days have a tick at midnight, also when one has 23 or 25 hours', () => {
  for (const change of [BACK, FORWARD]) {
    const from = change / 1000 - 3 * 86_400;
    const ticks = berlin.ticks(from, from + 6 * 86_400, 86_400);
    expect(ticks.map((tick) => berlin.clock(tick * 1000))).toEqual(Array(6).fill('00:00:00'));
  }
});

test('ticks ascend, stay in their range, and are round on the clock', () => {
  const all = ZONES.map(createTimes);
  const increment = fc.constantFrom(1, 5, 30, 60, 300, 900, 1800, 3600);
  fc.assert(
    fc.property(fc.constantFrom(...all), instant, increment, (times, minS, step) => {
      const maxS = minS + 8 * step;
      const ticks = times.ticks(minS, maxS, step);
      expect(ticks.length).toBeGreaterThanOrEqual(7);
      for (const [index, tick] of ticks.entries()) {
        expect(tick).toBeGreaterThanOrEqual(minS);
        expect(tick).toBeLessThanOrEqual(maxS);
        expect(tick).toBeGreaterThan(ticks[index - 1] ?? Number.NEGATIVE_INFINITY);
        const [, minute, second] = times
          .clock(tick * 1000)
          .slice(0, 8)
          .split(':')
          .map(Number);
        expect(((minute ?? 0) * 60 + (second ?? 0)) % Math.min(step, 3600)).toBe(0);
      }
    }),
  );
});
