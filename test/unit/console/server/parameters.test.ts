import { expect, expectTypeOf, test } from 'vitest';
import type { FlowQuery, MetricsQuery } from '../../../../src/console/api.ts';
import {
  type MetricsParameters,
  parseQueryString,
  type RecordsParameters,
} from '../../../../src/console/server/parameters.ts';

test('the schemas take what the contract promises', () => {
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
