import { Check } from 'typebox/value';
import { expect, expectTypeOf, test } from 'vitest';
import type { FlowQuery, MetricsQuery } from '../../../../src/console/api.ts';
import {
  type MetricsParameters,
  metricsParameters,
  parseQueryString,
  type RecordsParameters,
  recordsParameters,
} from '../../../../src/console/server/parameters.ts';

const EVERY_FLOW_PARAMETER: Required<FlowQuery> = {
  startTime: 1_700_000_000,
  endTime: 1_700_000_300,
  timeRange: 300,
  limit: 10,
  recordType: 'flowLog',
  dataSource: 'auto',
  filters: 'Proto=6',
  packetLoss: 'all',
  namespace: 'shop',
};

const EVERY_METRICS_PARAMETER: Required<MetricsQuery> = {
  ...EVERY_FLOW_PARAMETER,
  type: 'Bytes',
  function: 'sum',
  aggregateBy: 'app',
  groups: 'namespaces',
  rateInterval: '1m',
  step: '30s',
};

test.each([
  ['records', recordsParameters, EVERY_FLOW_PARAMETER],
  ['metrics', metricsParameters, EVERY_METRICS_PARAMETER],
])('the schema of %s takes what the contract promises, and nothing else', (_, schema, every) => {
  expect(Check(schema, every)).toBe(true);
  expect(Object.keys(schema.properties).sort()).toEqual(Object.keys(every).sort());
  expect(Check(schema, { ...every, another: '1' })).toBe(false);
  // The types are compared by `npm run check`.
  expectTypeOf<FlowQuery>().toExtend<RecordsParameters>();
  expectTypeOf<RecordsParameters>().toExtend<FlowQuery>();
  expectTypeOf<MetricsQuery>().toExtend<MetricsParameters>();
  expectTypeOf<MetricsParameters>().toExtend<MetricsQuery>();
});

test.each([
  ['', {}],
  ['a=1&b=x%20y', { a: '1', b: 'x y' }],
  ['a=&b=1', { b: '1' }],
  ['a=1&a=2&a=3', { a: ['1', '2', '3'] }],
  ['__proto__=1', Object.fromEntries([['__proto__', '1']])],
  ['filters=Proto%253D6', { filters: 'Proto%3D6' }],
])('query string %s', (text, wanted) => {
  const parameters = parseQueryString(text);
  expect({ ...parameters }).toEqual(wanted);
  expect(Object.getPrototypeOf(parameters)).toBeNull();
});
