import { expect, test } from 'vitest';
import { kernelMonotonicMs, systemClock } from '../../../src/base/clock.ts';

test('time moves forwards', async () => {
  const wall = systemClock.nowMs();
  const monotonic = systemClock.monotonicMs();
  await systemClock.sleep(5);
  // Timers count whole milliseconds, so a finer clock may show one less.
  expect(systemClock.monotonicMs() - monotonic).toBeGreaterThanOrEqual(4);
  expect(systemClock.nowMs()).toBeGreaterThanOrEqual(wall);
});

/** Bounds of the clocks' difference, however long this process has to wait between readings. */
function offsetBoundsMs(): { readonly leastMs: number; readonly mostMs: number } {
  const beforeMs = systemClock.monotonicMs();
  const kernelMs = kernelMonotonicMs();
  return { leastMs: kernelMs - systemClock.monotonicMs(), mostMs: kernelMs - beforeMs };
}

test("the kernel's clock runs at the speed of the other", async () => {
  const first = offsetBoundsMs();
  await systemClock.sleep(50);
  const second = offsetBoundsMs();
  // Both clocks have fractions of a microsecond.
  expect(second.leastMs).toBeLessThan(first.mostMs + 0.01);
  expect(second.mostMs).toBeGreaterThan(first.leastMs - 0.01);
});

test('a sleep ends early, with the reason, when it is aborted', async () => {
  const abort = new AbortController();
  const sleep = systemClock.sleep(60_000, abort.signal);
  const reason = new Error('enough');
  abort.abort(reason);
  await expect(sleep).rejects.toBe(reason);
});

test('a sleep does not begin when it was aborted before', async () => {
  const reason = new Error('too late');
  await expect(systemClock.sleep(60_000, AbortSignal.abort(reason))).rejects.toBe(reason);
});

/** Resolves when a ticker of this period has ticked this often and has been disposed of. */
function ticks(count: number, onTick: () => void): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const ticker = systemClock.every(1, () => {
      onTick();
      if (--left > 0) return;
      ticker[Symbol.dispose]();
      resolve();
    });
  });
}

test('a ticker ticks until it is disposed', async () => {
  let seen = 0;
  await ticks(3, () => seen++);
  await ticks(5, () => undefined);
  expect(seen).toBe(3);
});
