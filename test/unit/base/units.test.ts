import { expect, test } from 'vitest';
import { parseDurationMs, parseSizeBytes } from '../../../src/base/units.ts';

test.each([
  ['0', 0],
  ['0s', 0],
  ['500ms', 500],
  ['1m30s', 90_000],
  ['1h', 3_600_000],
  ['1.5s', 1500],
  ['100us', 0.1],
  ['100µs', 0.1],
  ['2ns', 2e-6],
  ['100\u03bcs', 0.1],
  ['.5s', 500],
  ['1.s', 1000],
  ['+1m0s', 60_000],
  ['-0', 0],
  ['5m0s', 300_000],
  ['1h0m0.5s', 3_600_500],
])('%s is %d ms', (text, wanted) => {
  expect(parseDurationMs(text)).toBeCloseTo(wanted, 9);
});

test.each(['', '5', '-5s', '5 s', 's', '1m 30s', '1d', '.s', '1e3s', '+', '0.5', '--1s'])(
  '%j is not a duration',
  (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  },
);

test.each([
  ['1048576', 1_048_576],
  ['10B', 10],
  ['1k', 1000],
  ['1.5KB', 1500],
  ['500MB', 5e8],
  ['10GiB', 10 * 2 ** 30],
  ['1Gi', 2 ** 30],
  ['2 TiB', 2 ** 41],
])('%s is %d bytes', (text, wanted) => {
  expect(parseSizeBytes(text)).toBe(wanted);
});

test.each(['', 'GB', '10XB', '-1', '1,5GB', '1 0', '10iB'])('%j is no size', (text) => {
  expect(parseSizeBytes(text)).toBeUndefined();
});
