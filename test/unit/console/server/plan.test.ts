import { expect, test } from 'vitest';
import { planMetrics, planRecords, planValues } from '../../../../src/console/server/plan.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { ANY } from '../../../../src/query/ast.ts';
import { configOf } from './harness.ts';

const NOW_MS = 1_767_225_600_500;
const { frontend } = configOf();
const conversations = {
  ...frontend,
  recordTypes: ['flowLog', 'newConnection', 'heartbeat', 'endConnection'],
};

const exact = (key: string, ...texts: readonly string[]) => ({
  kind: 'match',
  key,
  operator: '=',
  values: texts.map((text) => ({ kind: 'exact', text })),
});

test('records without parameters: the last five minutes', () => {
  expect(planRecords({}, NOW_MS, frontend)).toEqual({
    range: { startMs: NOW_MS - 300_000, endMs: NOW_MS },
    filter: ANY,
    packetLoss: 'all',
    limit: 100,
  });
});

test.each([
  ['timeRange', { timeRange: 60 }, NOW_MS - 60_000, NOW_MS],
  ['the end second is included', { startTime: 100, endTime: 200 }, 100_000, 201_000],
  ['one second', { startTime: 100, endTime: 100 }, 100_000, 101_000],
  ['start up to now', { startTime: 1_767_225_000 }, 1_767_225_000_000, NOW_MS],
  ['startTime wins', { startTime: 100, endTime: 200, timeRange: 5 }, 100_000, 201_000],
  ['a range before an end', { endTime: 1000, timeRange: 60 }, 940_000, 1_001_000],
])('time: %s', (_why, parameters, startMs, endMs) => {
  expect(planRecords(parameters, NOW_MS, frontend).range).toEqual({ startMs, endMs });
});

test.each([
  ['after the end', { startTime: 201, endTime: 199 }],
  ['in the future', { startTime: 1_767_225_601 }],
])('a start %s is refused', (_why, parameters) => {
  expect(() => planRecords(parameters, NOW_MS, frontend)).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_PARAMETER',
      context: expect.objectContaining({ parameter: 'startTime' }),
    }),
  );
});

test('filters may be encoded once more, as the original does', () => {
  const once = planRecords({ filters: 'SrcPort=80&Proto=6|DstPort=53' }, NOW_MS, frontend);
  const twice = planRecords(
    { filters: encodeURIComponent('SrcPort=80&Proto=6|DstPort=53') },
    NOW_MS,
    frontend,
  );
  expect(twice.filter).toEqual(once.filter);
  expect(once.filter.kind).toBe('or');
});

test('a percent sign that encodes nothing is refused', () => {
  expect(() => planRecords({ filters: 'Proto=%ff%fe' }, NOW_MS, frontend)).toThrow(
    expect.objectContaining({ context: expect.objectContaining({ parameter: 'filters' }) }),
  );
});

test('a namespace narrows to flows from or to it', () => {
  const { filter } = planRecords({ namespace: 'shop', filters: 'Proto=6' }, NOW_MS, frontend);
  expect(filter).toMatchObject({
    kind: 'and',
    terms: [{ key: 'Proto' }, exact('K8S_Namespace', 'shop')],
  });
});

test.each([
  ['nothing to choose from', undefined, frontend, ANY],
  ['asked for by name', 'flowLog', frontend, ANY],
  ['flows by default', undefined, conversations, exact('_RecordType', 'flowLog')],
  ['one', 'heartbeat', conversations, exact('_RecordType', 'heartbeat')],
  [
    'all conversations',
    'allConnections',
    conversations,
    exact('_RecordType', 'newConnection', 'heartbeat', 'endConnection'),
  ],
] as const)('record type: %s', (_why, recordType, facts, filter) => {
  const parameters = recordType === undefined ? {} : { recordType };
  expect(planRecords(parameters, NOW_MS, facts).filter).toEqual(filter);
});

test('metrics count a conversation once', () => {
  const query = planMetrics(
    { aggregateBy: 'app', recordType: 'allConnections' },
    NOW_MS,
    conversations,
  );
  expect(query.filter).toEqual(exact('_RecordType', 'endConnection'));
});

test('conversations where there are none', () => {
  expect(() => planRecords({ recordType: 'heartbeat' }, NOW_MS, frontend)).toThrow(
    'this console has no heartbeat records: recordType must be one of flowLog',
  );
});

test.each([
  ['loki', 'lokiDisabled'],
  ['prom', 'promDisabled'],
] as const)('no %s is configured', (dataSource, flag) => {
  expect(() => planRecords({ dataSource }, NOW_MS, frontend)).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_DATA_SOURCE',
      status: 400,
      context: { parameter: 'dataSource', flags: { [flag]: true } },
    }),
  );
});

test('metrics without more than they need', () => {
  expect(planMetrics({ aggregateBy: 'app' }, NOW_MS, frontend)).toEqual({
    // Half a second earlier, which is a whole step.
    range: { startMs: NOW_MS - 300_500, endMs: NOW_MS },
    filter: ANY,
    packetLoss: 'all',
    type: 'Bytes',
    fn: 'rate',
    groupBy: [],
    limit: 100,
    stepMs: 30_000,
    rateIntervalMs: 60_000,
  });
});

test.each([
  ['rate', '7s', (1_767_225_600 - 300 - 1) * 1000],
  ['avg', '60s', NOW_MS - 300_500],
  // Totals cover the requested range.
  ['sum', '60s', NOW_MS - 300_000],
  ['count', '300s', NOW_MS - 300_000],
] as const)('%s in steps of %s begins where it should', (fn, step, startMs) => {
  const { range } = planMetrics({ aggregateBy: 'app', function: fn, step }, NOW_MS, frontend);
  expect(range).toEqual({ startMs, endMs: NOW_MS });
});

test.each([
  ['app', undefined, []],
  ['SrcAddr', undefined, ['SrcAddr']],
  ['SrcAddr,DstAddr', undefined, ['SrcAddr', 'DstAddr']],
  ['SrcAddr, DstPort', undefined, ['SrcAddr', 'DstPort']],
  ['namespace', undefined, ['SrcK8S_Namespace', 'DstK8S_Namespace']],
  ['droppedState', undefined, ['PktDropLatestState']],
  ['SrcPort', 'namespaces', ['SrcPort', 'SrcK8S_Namespace', 'DstK8S_Namespace']],
  ['app', 'namespaces', ['SrcK8S_Namespace', 'DstK8S_Namespace']],
])('aggregated by %s, groups %s', (aggregateBy, groups, fields) => {
  const parameters = groups === undefined ? { aggregateBy } : { aggregateBy, groups };
  expect(planMetrics(parameters, NOW_MS, frontend).groupBy).toEqual(fields);
});

test('the finest scope, with a group', () => {
  const query = planMetrics({ aggregateBy: 'resource', groups: 'hosts+owners' }, NOW_MS, frontend);
  expect(query.groupBy).toEqual(expect.arrayContaining(['SrcAddr', 'DstK8S_Name']));
  expect(new Set(query.groupBy).size).toBe(query.groupBy.length);
});

test.each([
  ['seconds', { step: '60', rateInterval: '120' }, 60_000, 120_000],
  ['durations', { step: '1m30s', rateInterval: '3m' }, 90_000, 180_000],
  ['a window is a step at least', { step: '10m', rateInterval: '30s' }, 600_000, 600_000],
])('steps: %s', (_why, parameters, stepMs, rateIntervalMs) => {
  expect(planMetrics({ aggregateBy: 'app', ...parameters }, NOW_MS, frontend)).toMatchObject({
    stepMs,
    rateIntervalMs,
  });
});

test.each([
  ['aggregateBy', { aggregateBy: 'namespac' }, 'did you mean namespace?'],
  ['aggregateBy', { aggregateBy: 'SrcAdr' }, 'did you mean SrcAddr?'],
  ['aggregateBy', { aggregateBy: 'SrcAddr,,DstAddr' }, 'there is no field ""'],
  [
    'aggregateBy',
    {
      aggregateBy: FIELDS.slice(0, 25)
        .map((field) => field.name)
        .join(','),
    },
    'the most is 24',
  ],
  ['groups', { groups: 'clsters' }, 'did you mean clusters?'],
  ['type', { type: 'Byte' }, 'did you mean Bytes?'],
  ['type', { type: 'SrcAddr' }, 'SrcAddr is not a metric'],
  ['step', { step: '10' + 'ms' }, 'at least 1s'],
  ['step', { step: 'soon' }, 'such as 30s'],
  ['step', { step: '9'.repeat(256) }, 'at most 876000h'],
  ['rateInterval', { rateInterval: '876001h' }, 'at most 876000h'],
  ['rateInterval', { rateInterval: '-1m' }, 'such as 30s'],
  ['step', { step: '1s', timeRange: 86_400 }, 'step must be at least 9s'],
  ['step', { step: '1s', timeRange: 3600, limit: 1000 }, 'step must be at least 4s'],
])('%s is refused: %o', (parameter, parameters, message) => {
  expect(() => planMetrics({ aggregateBy: 'app', ...parameters }, NOW_MS, frontend)).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_PARAMETER',
      message: expect.stringContaining(message),
      context: expect.objectContaining({ parameter }),
    }),
  );
});

test('values', () => {
  expect(planValues({ field: 'SrcAddr', contains: '10.' }, NOW_MS)).toEqual({
    field: 'SrcAddr',
    contains: '10.',
    range: { startMs: NOW_MS - 3 * 3_600_000, endMs: NOW_MS },
    limit: 50,
  });
  expect(() => planValues({ field: 'Nothing' }, NOW_MS)).toThrow(
    expect.objectContaining({ context: expect.objectContaining({ parameter: 'field' }) }),
  );
});

test('series can be named by the port that serves, which is no field', () => {
  const planned = planMetrics({ aggregateBy: 'Proto,ServicePort' }, NOW_MS, frontend);
  expect(planned.groupBy).toEqual(['Proto', 'ServicePort']);
  expect(() => planMetrics({ aggregateBy: 'ServicePrt' }, NOW_MS, frontend)).toThrow(
    'did you mean ServicePort?',
  );
});
