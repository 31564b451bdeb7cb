import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExponentialBuckets } from '../../../../../src/pipeline/encode/prom/exponential.ts';

function filled(values: readonly number[]): ExponentialBuckets {
  const buckets = new ExponentialBuckets();
  for (const value of values) buckets.add(value);
  return buckets;
}

/** Observations of each bucket, counted by its bounds. */
function counted(values: readonly number[], { schema, first, counts }: ExponentialBuckets) {
  const bound = (bucket: number): number => 2 ** (bucket / 2 ** schema);
  return [...counts.keys()].map(
    (at) =>
      values.filter((value) => value > bound(first + at - 1) && value <= bound(first + at)).length,
  );
}

const positive = fc.double({ min: 2 ** -100, max: 2 ** 1000, noNaN: true });
const near = fc.double({ min: 1, max: 1e6, noNaN: true });

test.each([
  ['far apart', positive],
  ['close together', near],
])('values %s: each bucket has those between its bounds', (_name, value) => {
  fc.assert(
    fc.property(fc.array(value, { maxLength: 300 }), (values) => {
      const buckets = filled(values);
      expect([...buckets.counts]).toEqual(counted(values, buckets));
      expect(buckets.counts.reduce((sum, count) => sum + count, 0)).toBe(values.length);
      expect(buckets.counts.length).toBeLessThanOrEqual(160);
    }),
  );
});

test('a bound belongs to the bucket below it, for each power of two', () => {
  for (let power = -100; power <= 100; power++) {
    const at = filled([2 ** power]);
    expect([at.schema, at.first, [...at.counts]]).toEqual([3, power * 8, [1]]);
    const above = filled([2 ** power * (1 + Number.EPSILON)]);
    expect(above.first).toBe(power * 8 + 1);
  }
});

test('resolution is given up only when there would be more than 160 buckets', () => {
  // Eight buckets for each power of two: twenty of them fit.
  expect(filled([1 + Number.EPSILON, 2 ** 20]).schema).toBe(3);
  expect(filled([1, 2 ** 20]).schema).toBe(2);
  expect(filled([2 ** -127, Number.MAX_VALUE]).schema).toBe(-3);
});

test('zero and what is next to it are counted apart; the infinite is in the last bucket', () => {
  const buckets = filled([0, 2 ** -128, Number.POSITIVE_INFINITY]);
  expect(buckets.zeros).toBe(2);
  expect(buckets.first).toBe(1024 * 8);
  expect([...buckets.counts]).toEqual([1]);
});
