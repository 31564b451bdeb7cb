import { expect, test } from 'vitest';
import { Repairs } from '../../../../src/agent/interfaces/hooked.ts';

/** Milliseconds between repairs if someone breaks the hook again at once. */
function gaps(count: number): number[] {
  const repairs = new Repairs();
  const found: number[] = [];
  let last = 1_000_000;
  expect(repairs.take(last)).toBe(true);
  for (let now = last; found.length < count; now += 500) {
    if (!repairs.take(now)) continue;
    found.push(now - last);
    last = now;
  }
  return found;
}

test('the first is at once, the next ones wait ever longer, up to five minutes', () => {
  const waits = gaps(12);
  expect(waits.slice(0, 4)).toEqual([1000, 2000, 4000, 8000]);
  expect(waits.at(-1)).toBe(300_000);
});

test('after long quiet it begins anew', () => {
  const repairs = new Repairs();
  for (const now of [0, 1000, 3000]) expect(repairs.take(now)).toBe(true);
  expect(repairs.take(5000)).toBe(false);
  expect(repairs.take(1_000_000)).toBe(true);
  expect(repairs.take(1_001_000)).toBe(true);
});
