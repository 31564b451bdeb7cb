import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MetricsResponse, RecordsResponse } from '../../../../../src/console/api.ts';
import { rowsOf } from '../../../../../src/console/web/data/rows.ts';
import {
  alignedRange,
  chartData,
  measuredAt,
  othersOf,
  rank,
  stack,
  stepFor,
  stepTimes,
  summarize,
} from '../../../../../src/console/web/data/series.ts';

const stats = {
  numQueries: 1,
  totalEntries: 0,
  duplicates: 0,
  limitReached: false,
  queriesStats: [],
  dataSources: [],
};

function matrix(result: MetricsResponse['result']): MetricsResponse {
  return { resultType: 'matrix', result, stats, unixTimestamp: 0 };
}

test('rows of all streams are joined with their labels, newest first', () => {
  const response: RecordsResponse = {
    resultType: 'streams',
    result: [
      {
        stream: { app: 'x', FlowDirection: '0' },
        values: [
          ['300', '{"Bytes":3}'],
          ['100', '{"Bytes":1}'],
        ],
      },
      { stream: { app: 'x', FlowDirection: '1' }, values: [['200', '{"Bytes":2}']] },
    ],
    stats,
    unixTimestamp: 0,
  };
  const rows = rowsOf(response, [{ name: 'FlowDirection', type: 'number', description: '' }]);
  expect(rows.map((record) => record.row)).toEqual([
    { FlowDirection: 0, Bytes: 3 },
    { FlowDirection: 1, Bytes: 2 },
    { FlowDirection: 0, Bytes: 1 },
  ]);
});

test('equal flows stay apart, and keep their keys in the next answer', () => {
  const same: RecordsResponse = {
    resultType: 'streams',
    result: [
      {
        stream: { app: 'x' },
        values: [
          ['1', '{"Bytes":1}'],
          ['1', '{"Bytes":1}'],
        ],
      },
    ],
    stats,
    unixTimestamp: 0,
  };
  const keys = rowsOf(same, []).map((record) => record.key);
  expect(new Set(keys).size).toBe(2);
  expect(rowsOf(same, []).map((record) => record.key)).toEqual(keys);
});

test('series are brought onto one grid, with zeros where nothing flowed', () => {
  const data = chartData(
    matrix([
      {
        metric: { A: 'x' },
        values: [
          [10, '1'],
          [30, '3'],
        ],
      },
      { metric: { A: 'y' }, values: [[20, '2']] },
    ]),
    ['A'],
  );
  expect(data.times).toEqual([10, 20, 30]);
  expect(data.series.map((series) => series.values)).toEqual([
    [1, 0, 3],
    [0, 2, 0],
  ]);
});

test('layers and what is left over add up to the total', () => {
  const rates = fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 3, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(rates, { minLength: 1, maxLength: 5 }), rates, (series, rest) => {
      const total = rest.map((value, i) => series.reduce((sum, one) => sum + one[i]!, value));
      const others = othersOf(
        total,
        series.map((values) => ({ group: [], values })),
      );
      expect(others).toEqual(rest);
      expect(stack([...series, others]).at(-1)).toEqual(total);
    }),
  );
});

test('where nothing was measured there is no value, and no zero', () => {
  const response = matrix([
    {
      metric: { app: 'all' },
      values: [
        [10, '0.25'],
        [30, '7'],
      ],
    },
  ]);
  expect(measuredAt([10, 20, 30], response)).toEqual([0.25, undefined, 7]);
  expect(measuredAt([10, 20], matrix([]))).toEqual([undefined, undefined]);
});

test.each([
  ['of whole steps', { startTime: 100, endTime: 119 }, [100, 110]],
  ['that begins within a step', { startTime: 103, endTime: 119 }, [100, 110]],
  ['that ends within a step', { startTime: 100, endTime: 123 }, [100, 110, 120]],
])('the steps of a range %s start where the server’s do', (_why, range, times) => {
  expect(stepTimes(range, 10)).toEqual(times);
});

test('a series in figures', () => {
  expect(summarize([1, 3, 2])).toEqual({ last: 2, average: 2, maximum: 3 });
  expect(summarize([])).toEqual({ last: 0, average: 0, maximum: 0 });
});

test('bars are sorted by their sums, and nothing is left out but nothing', () => {
  const response = matrix([
    { metric: { A: 'small' }, values: [[0, '1']] },
    { metric: { A: 'none' }, values: [[0, '0']] },
    {
      metric: { A: 'large' },
      values: [
        [0, '1'],
        [1, '5'],
      ],
    },
  ]);
  expect(rank(response, ['A'])).toEqual([
    { group: ['large'], value: 6 },
    { group: ['small'], value: 1 },
  ]);
});

test('steps stay where they are while time goes on', () => {
  const range = { kind: 'last', seconds: 300 } as const;
  fc.assert(
    fc.property(fc.integer({ min: 1e9, max: 2e9 }), fc.constantFrom(5, 15, 60), (nowS, stepS) => {
      const { startTime, endTime } = alignedRange(range, stepS, nowS);
      // The API includes the last second.
      const endS = endTime + 1;
      expect(startTime % stepS).toBe(0);
      expect((endS - startTime) % stepS).toBe(0);
      expect(endS - startTime).toBeGreaterThanOrEqual(300);
      expect(nowS - endS).toBeGreaterThanOrEqual(5);
      expect(nowS - endS).toBeLessThan(5 + stepS);
    }),
  );
});

test('a chart has as many points as its width can show', () => {
  expect(stepFor(300, 600)).toBe(5);
  expect(stepFor(3600, 600)).toBe(30);
  expect(stepFor(3600, 100)).toBe(300);
  expect(stepFor(1_209_600, 600)).toBe(10_800);
  expect(stepFor(1e9, 600)).toBe(97 * 86_400);
});
