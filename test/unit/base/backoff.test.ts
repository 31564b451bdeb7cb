import { expect, test } from 'vitest';
import { backoffMs } from '../../../src/base/backoff.ts';

const LIMITS = { firstMs: 250, maxMs: 10_000 };

test.each([
  // retry, random, wanted
  [0, 0, 125],
  [0, 1, 250],
  [1, 0.5, 375],
  [5, 1, 8000],
  [6, 1, 10_000],
  [1000, 1, 10_000],
  [1000, 0, 5000],
])('retry %i at random %f waits %f ms', (retry, random, wanted) => {
  expect(backoffMs(retry, LIMITS, () => random)).toBe(wanted);
});
