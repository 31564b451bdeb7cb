import { expect, test } from 'vitest';
import { WallClock } from '../../../src/agent/wall-clock.ts';
import type { Clock } from '../../../src/base/clock.ts';

const BOOT_MS = 1_700_000_000_000.75;

/** A clock that advances a little with each reading. */
class PassingTime {
  monotonicMs = 5000;
  bootMs = BOOT_MS;
  readonly clock = {
    nowMs: () => {
      this.monotonicMs += 0.001;
      return Math.floor(this.bootMs + this.monotonicMs);
    },
  } as Clock;
  readonly read = (): number => this.monotonicMs;
}

function toldMs(wall: WallClock, monotonicMs: number): number {
  wall.tell(monotonicMs * 1e6);
  return wall.seconds * 1000 + wall.nanoseconds / 1e6;
}

test('the clock’s milliseconds are split by finding where one begins', () => {
  const time = new PassingTime();
  const wall = new WallClock(time.clock, time.read);
  const error = toldMs(wall, 6000) - (BOOT_MS + 6000);
  expect(Math.abs(error)).toBeLessThan(0.01);
});

test('differences are exact to the nanosecond', () => {
  const time = new PassingTime();
  const wall = new WallClock(time.clock, time.read);
  wall.tell(123_456_789_001);
  const before = BigInt(wall.seconds) * 1_000_000_000n + BigInt(wall.nanoseconds);
  wall.tell(124_000_000_000);
  const after = BigInt(wall.seconds) * 1_000_000_000n + BigInt(wall.nanoseconds);
  expect(after - before).toBe(543_210_999n);
  expect(wall.nanoseconds).toBeLessThan(1e9);
});

test.each([3_600_000, -3_600_000])('a clock that is set by %i ms is followed', (stepMs) => {
  const time = new PassingTime();
  const wall = new WallClock(time.clock, time.read);
  time.bootMs += stepMs;
  wall.adjust();
  expect(Math.abs(toldMs(wall, 6000) - (time.bootMs + 6000))).toBeLessThan(0.01);
});

test('waiting for a CPU between the two clocks makes no difference', () => {
  const time = new PassingTime();
  const wall = new WallClock(time.clock, () => {
    // Every other reading of the monotonic clock comes late.
    if (time.monotonicMs % 0.002 < 0.001) time.monotonicMs += 37.7;
    return time.monotonicMs;
  });
  for (let i = 0; i < 1000; i++) wall.adjust();
  expect(Math.abs(toldMs(wall, 6000) - (BOOT_MS + 6000))).toBeLessThan(1);
  expect(Math.abs(wall.offsetMs - BOOT_MS)).toBeLessThan(1);
});

test('readings that do not contradict it leave it as it is', () => {
  const time = new PassingTime();
  const wall = new WallClock(time.clock, time.read);
  const before = toldMs(wall, 6000);
  for (let i = 0; i < 100; i++) {
    time.monotonicMs += 7.3;
    wall.adjust();
  }
  expect(Math.abs(toldMs(wall, 6000) - before)).toBeLessThan(0.01);
});

test('a clock that stands still does not stop it', () => {
  const clock = { nowMs: () => 1000 } as Clock;
  const wall = new WallClock(clock, () => 10);
  expect(toldMs(wall, 20)).toBe(1010);
});
