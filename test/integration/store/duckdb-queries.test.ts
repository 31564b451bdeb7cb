import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  ANY,
  type Filter,
  type MatchOperator,
  type MetricFunction,
  type MetricQuery,
  type PacketLoss,
} from '../../../src/query/ast.ts';
import { holds, lossHolds, seriesModel } from '../../support/models/filter-model.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { openStore, type TestStore } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const RANGE = { startMs: START_MS, endMs: START_MS + 100_000 };

const NAMES = ['default', 'Default', 'kube-system', 'a_b', 'a%b', "x'; DROP TABLE facts_1; --", ''];
const ADDRESSES = ['10.0.0.1', '10.0.0.9', '10.1.0.1', '192.0.2.7', 'fd00::1', '2001:db8::7', '::'];

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(values, { nil: undefined });

const flowRow: fc.Arbitrary<Row> = fc
  .record({
    TimeFlowEndMs: fc.integer({ min: START_MS - 50_000, max: START_MS + 120_000 }),
    SrcAddr: maybe(fc.constantFrom(...ADDRESSES)),
    DstAddr: maybe(fc.constantFrom(...ADDRESSES)),
    SrcPort: maybe(fc.constantFrom(0, 53, 80, 443, 65_535)),
    DstPort: maybe(fc.constantFrom(0, 53, 8443, 40_000, 51_820)),
    Initiator: maybe(fc.constantFrom(1, 2)),
    Proto: maybe(fc.constantFrom(1, 6, 17)),
    SrcMac: maybe(fc.constantFrom('02:00:00:00:00:01', 'aa:bb:cc:dd:ee:ff')),
    Bytes: maybe(fc.integer({ min: 0, max: 1e6 })),
    Packets: maybe(fc.integer({ min: 0, max: 3 })),
    PktDropPackets: maybe(fc.integer({ min: 0, max: 2 })),
    TimeFlowRttNs: maybe(fc.constantFrom(0, 1e6, 2.5e7)),
    DnsId: maybe(fc.constantFrom(0, 7)),
    ProcessName: maybe(fc.constantFrom('nginx', 'sshd')),
    TunnelType: maybe(fc.constantFrom('vxlan', 'geneve')),
    Sampling: maybe(fc.constantFrom(1, 4_294_967_295)),
    SrcK8S_Namespace: maybe(fc.constantFrom(...NAMES)),
    DstK8S_Namespace: maybe(fc.constantFrom(...NAMES)),
    Interfaces: maybe(
      fc.array(fc.constantFrom('eth0', 'eth1', 'veth@9'), { minLength: 1, maxLength: 3 }),
    ),
    IfDirections: maybe(fc.array(fc.constantFrom(0, 1, 10), { minLength: 1, maxLength: 2 })),
    NetworkEvents: maybe(fc.constantFrom([{ Name: 'deny' }], 'text', 5)),
  })
  .map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)));

const exact = (values: readonly string[]) =>
  fc.constantFrom(...values).map((text) => ({ kind: 'exact' as const, text }));
const pattern = (values: readonly string[]) =>
  fc.constantFrom(...values).map((text) => ({ kind: 'pattern' as const, text }));
const empty = fc.constant({ kind: 'empty' as const });

const match = fc.oneof(
  terms(
    ['SrcPort', 'Port', 'Proto', 'Bytes', 'DnsId', 'Sampling'],
    ['=', '!='],
    pattern(['0', '6', '53', '80', '54-200', '1-6', '0-0']),
  ),
  terms(
    ['SrcPort', 'Port', 'Proto', 'Bytes', 'DnsId', 'Sampling', 'TimeFlowRttNs', 'IfDirections'],
    ['>=', '>', '<=', '<', '!>=', '!>', '!<=', '!<'],
    pattern(['0', '1', '6', '53', '80', '250']),
  ),
  terms(
    ['Bytes', 'Packets'],
    ['=', '!=', '>=', '>', '<=', '<', '!>=', '!<'],
    // Values beyond 64 bits, and beyond a double.
    pattern(['9223372036854775808', '9'.repeat(30), '9'.repeat(400)]),
  ),
  terms(['SrcPort', 'Port', 'Bytes'], ['=', '!='], empty),
  terms(
    ['SrcAddr', 'Addr'],
    ['=', '!=', '~', '!~'],
    fc.oneof(
      pattern(['10.0.0.0/8', '10.0.0.1-10.0.0.200', 'fd00::/8', '192.0.2.7', '10.0.*', '::/0']),
      empty,
    ),
  ),
  terms(['SrcMac'], ['=', '!=', '~'], fc.oneof(pattern(['02:00:*', 'AA:BB:CC:DD:EE:FF']), empty)),
  terms(
    ['SrcK8S_Namespace', 'K8S_Namespace'],
    ['=', '!=', '~', '!~'],
    fc.oneof(
      exact(NAMES.filter((name) => name !== '')),
      pattern(['default', 'EF', 'kube*', '*system', 'a_b', 'a%', '*_*', 'none']),
      empty,
    ),
  ),
  terms(
    ['Interfaces'],
    ['=', '!=', '~'],
    fc.oneof(exact(['eth0', 'veth@9']), pattern(['eth', '*th1'])),
  ),
  terms(['IfDirections'], ['=', '!='], pattern(['0', '1', '1-10'])),
);

function terms(
  keys: readonly string[],
  operators: readonly MatchOperator[],
  values: fc.Arbitrary<{ kind: 'exact' | 'pattern'; text: string } | { kind: 'empty' }>,
): fc.Arbitrary<Filter> {
  return fc.record({
    kind: fc.constant('match' as const),
    key: fc.constantFrom(...keys),
    operator: fc.constantFrom(...operators),
    values: fc.array(values, { minLength: 1, maxLength: 3 }),
  });
}

const filter: fc.Arbitrary<Filter> = fc.oneof(
  fc.constant(ANY),
  match,
  fc.record({
    kind: fc.constantFrom('and', 'or'),
    terms: fc.array(match, { minLength: 1, maxLength: 3 }),
  }),
);

const packetLoss: fc.Arbitrary<PacketLoss> = fc.constantFrom('all', 'dropped', 'hasDrops', 'sent');

const metric: fc.Arbitrary<MetricQuery> = fc.record({
  range: fc.constant(RANGE),
  filter,
  packetLoss,
  type: fc.constantFrom(
    ...['Bytes', 'Packets', 'Flows', 'DnsFlows', 'TimeFlowRttNs', 'ProcessBytes', 'TunnelBytes'],
  ),
  fn: fc.constantFrom<MetricFunction[]>('count', 'sum', 'avg', 'min', 'max', 'p90', 'p99', 'rate'),
  groupBy: fc.constantFrom(
    [],
    ['SrcAddr'],
    ['SrcK8S_Namespace', 'Proto'],
    ['Interfaces'],
    ['SrcPort', 'SrcMac'],
    ['Proto', 'ServicePort'],
    ['IfDirections', 'Proto'],
    ['Interfaces', 'IfDirections'],
  ),
  limit: fc.constantFrom(3, 1000),
  stepMs: fc.constantFrom(7_000, 30_000, 100_000),
  rateIntervalMs: fc.constantFrom(30_000, 45_000),
});

let opened: TestStore;
let rows: readonly Row[];

beforeAll(async () => {
  rows = fc.sample(flowRow, { numRuns: 1500, seed: 7 });
  opened = await openStore();
  for (let at = 0; at < rows.length; at += 300) await opened.append(rows.slice(at, at + 300));
  await opened.store.flush();
});

afterAll(() => opened[Symbol.asyncDispose]());

const comparable = (list: readonly Row[]): string[] =>
  list.map((row) => JSON.stringify(Object.entries(row).sort())).sort();

test('records are the rows that an obvious evaluator picks', async () => {
  await fc.assert(
    fc.asyncProperty(filter, packetLoss, async (wanted, loss) => {
      const query = { range: RANGE, filter: wanted, packetLoss: loss, limit: 5000 };
      const result = await opened.store.records(query, signal);
      const expected = rows.filter(
        (row) =>
          Number(row.TimeFlowEndMs) >= RANGE.startMs &&
          Number(row.TimeFlowEndMs) < RANGE.endMs &&
          holds(wanted, row) &&
          lossHolds(loss, row),
      );
      expect(comparable(result.rows)).toEqual(comparable(expected));
      expect(result.limitReached).toBe(false);
    }),
    { numRuns: 100 },
  );
}, 180_000);

test('records come newest first, and say when some were left out', async () => {
  const query = { range: RANGE, filter: ANY, packetLoss: 'all' as const, limit: 10 };
  const result = await opened.store.records({ ...query, fields: ['TimeFlowEndMs'] }, signal);
  const newest = rows
    .map((row) => Number(row.TimeFlowEndMs))
    .filter((end) => end >= RANGE.startMs && end < RANGE.endMs)
    .sort((a, b) => b - a);
  expect(result.rows.map(({ TimeFlowEndMs }) => TimeFlowEndMs)).toEqual(newest.slice(0, 10));
  expect(result.rows.every((row) => Object.keys(row).length === 1)).toBe(true);
  expect(result.limitReached).toBe(true);
});

/** Quantiles are accurate to within 1 %, everything else is exact. */
function expectNear(fn: MetricFunction, value = Number.NaN, wanted = Number.NaN): void {
  const tolerance = fn === 'p90' || fn === 'p99' ? 0.01 * Math.abs(wanted) : 0;
  expect(Math.abs(value - wanted)).toBeLessThanOrEqual(tolerance + 5e-5);
}

test('series are those of an obvious evaluator', async () => {
  await fc.assert(
    fc.asyncProperty(metric, async (query) => {
      const result = await opened.store.metrics(query, signal);
      const model = seriesModel(query, rows);
      const order = [...model].sort((a, b) =>
        query.fn === 'min' ? a.total - b.total : b.total - a.total,
      );
      expect(result.limitReached).toBe(model.length > query.limit);
      expect(result.series.length).toBe(Math.min(model.length, query.limit));
      for (const [index, series] of result.series.entries()) {
        // Series with equal totals may replace each other.
        const twin = model.find(
          ({ labels }) => JSON.stringify(labels) === JSON.stringify(series.labels),
        );
        expectNear(query.fn, twin?.total, order[index]?.total);
        expect(series.points.map(([time]) => time)).toEqual(twin?.points.map(([time]) => time));
        for (const [at, [, value]] of series.points.entries()) {
          expectNear(query.fn, value, twin?.points[at]?.[1]);
        }
      }
    }),
    { numRuns: 100 },
  );
}, 180_000);

test.each([
  ['one value', [42], 42],
  ['zeros', [0, 0, 0], 0],
  ['negative numbers, zero and fractions', [-1000, -3, -0.25, 0, 0.001, 7], 7 - 0.05 * (7 - 0.001)],
  ['huge numbers', [1e300, 1e300], 1e300],
  ['two that are far apart', [1, 1e9], 1 + 0.99 * (1e9 - 1)],
  ['ten thousand', Array.from({ length: 10_000 }, (_, index) => index), 9899.01],
])('p99 of %s is right to within 1 %%', async (_what, values, wanted) => {
  await using own = await openStore();
  for (let from = 0; from < values.length; from += 4096) {
    await own.append(
      values.slice(from, from + 4096).map((value) => ({ TimeFlowEndMs: START_MS, Bytes: value })),
    );
  }
  const query: MetricQuery = {
    range: RANGE,
    filter: ANY,
    packetLoss: 'all',
    type: 'Bytes',
    fn: 'p99',
    groupBy: [],
    limit: 1,
    stepMs: 100_000,
    rateIntervalMs: 100_000,
  };
  const { series } = await own.store.metrics(query, signal);
  expectNear('p99', series[0]?.points[0]?.[1], wanted);
});

test.each([
  ['SrcK8S_Namespace', 'DEF', ['default', 'Default']],
  ['K8S_Namespace', 'kube', ['kube-system']],
  ['SrcPort', '5', ['53', '65535']],
  ['Interfaces', 'eth', ['eth0', 'eth1', 'veth@9']],
  ['SrcAddr', "' OR 1=1 --", []],
])('values of %s that contain %s', async (field, contains, expected) => {
  const values = await opened.store.values({ field, contains, range: RANGE, limit: 10 }, signal);
  expect([...values].sort()).toEqual([...expected].sort());
});
