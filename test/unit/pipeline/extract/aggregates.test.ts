import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import {
  type AggregatesConfig,
  AggregatesModel,
} from '../../../support/models/interpreter/aggregates.ts';
import { startExtractor } from '../../../support/models/interpreter/extractor-bed.ts';
import type { Row } from '../../../support/models/interpreter/rows.ts';

const start = (options: unknown, tables = new TableSpace()) =>
  startExtractor('aggregates', options, { tables });

test('a flow for each group every five seconds, changed or not', async () => {
  const bed = await start({
    rules: [
      {
        name: 'bytes',
        groupByKeys: ['SrcPort', 'DstAddr'],
        operationType: 'sum',
        operationKey: 'Bytes',
      },
    ],
  });
  bed.send(
    { SrcPort: 80, DstAddr: '10.0.0.1', Bytes: 3 },
    { SrcPort: 80, DstAddr: '10.0.0.1', Bytes: 4 },
    { SrcPort: 80, Bytes: 100 },
  );
  bed.pass(4);
  expect(await bed.records()).toEqual([]);
  bed.pass(1);
  const group = {
    name: 'bytes',
    operation_type: 'sum',
    operation_key: 'Bytes',
    by: 'SrcPort,DstAddr',
    aggregate: '10.0.0.1,80',
    SrcPort_DstAddr: '10.0.0.1,80',
    SrcPort: 80,
    DstAddr: '10.0.0.1',
  };
  const first = { total_value: 7, total_count: 2, recent_op_value: 7, recent_count: 2 };
  expect(await bed.records()).toEqual([{ ...group, ...first }]);
  bed.pass(5);
  const idle = { total_value: 7, total_count: 2, recent_op_value: 0, recent_count: 0 };
  expect(await bed.records()).toEqual([{ ...group, ...idle }]);
  bed.send({ SrcPort: 80, DstAddr: '10.0.0.1', Bytes: 1 });
  await bed.stop();
  const last = { total_value: 8, total_count: 3, recent_op_value: 1, recent_count: 1 };
  expect(await bed.records()).toEqual([{ ...group, ...last }]);
});

test('many groups are written in slices, each group once in a round', async () => {
  const bed = await start({
    rules: [
      { name: 'a', groupByKeys: ['SrcPort'], operationType: 'count' },
      { name: 'b', groupByKeys: ['DstPort'], operationType: 'count' },
    ],
  });
  const ports = Array.from({ length: 3000 }, (_, port) => port + 1);
  bed.send(...ports.map((port) => ({ SrcPort: port, DstPort: port })));
  bed.pass(5);
  const first = await bed.records();
  expect(first).toHaveLength(2048);
  // Group 3000 of the first rule is not written yet.
  bed.send({ SrcPort: 3000 }, { SrcPort: 1 });
  bed.pass(1);
  const rows = [...first, ...(await bed.records())];
  const keys = rows.map(({ name, aggregate }) => `${name} ${aggregate}`);
  expect(keys).toEqual(['a', 'b'].flatMap((name) => ports.map((port) => `${name} ${port}`)));
  expect(rows[0]).toMatchObject({ SrcPort: 1, recent_count: 1, total_count: 1 });
  expect(rows[2999]).toMatchObject({ SrcPort: 3000, recent_count: 2, total_count: 2 });
  await bed.stop();
  const last = await bed.records();
  expect(last).toHaveLength(6000);
  expect(last[0]).toMatchObject({ SrcPort: 1, recent_count: 1, total_count: 2 });
  expect(last[2999]).toMatchObject({ SrcPort: 3000, recent_count: 0, total_count: 2 });
});

test('raw values of a group are collected between two ticks, up to a limit', async () => {
  const rule = { name: 'rtt', groupByKeys: ['Proto'], operationType: 'raw_values' };
  const bed = await start({ rules: [{ ...rule, operationKey: 'TimeFlowRttNs' }] });
  const values = async () =>
    (await bed.records()).map(({ recent_raw_values }) => recent_raw_values as readonly number[]);
  bed.send({ Proto: 6, TimeFlowRttNs: 5 }, { Proto: 6 }, { Proto: 6, TimeFlowRttNs: 7 });
  bed.pass(5);
  expect(await values()).toEqual([[5, 7]]);
  bed.pass(5);
  expect(await values()).toEqual([[]]);
  for (let i = 0; i < 3; i++) {
    bed.send(...Array.from({ length: 4000 }, () => ({ Proto: 6, TimeFlowRttNs: i })));
  }
  bed.pass(5);
  expect((await values())[0]).toHaveLength(10_000);
  const samples = await bed.samples();
  expect(samples.get('pipeline_extractor_rejected_flows_total{rule="rtt",stage="c"}')).toBe(2000);
  await bed.stop();
});

test('groups are bounded, and there is room again after expiryTime', async () => {
  const bed = await start({
    defaultExpiryTime: '1h',
    rules: [
      { name: 'short', groupByKeys: ['SrcAddr'], operationType: 'count', expiryTime: '7s' },
      { name: 'long', groupByKeys: ['Proto'], operationType: 'count' },
    ],
  });
  const send = (from: number, to: number) => {
    for (let at = from; at < to; at += 4000) {
      const rows = Array.from({ length: Math.min(4000, to - at) }, (_, index) => ({
        SrcAddr: `10.${(at + index) >> 16}.${((at + index) >> 8) & 255}.${(at + index) & 255}`,
        Proto: 6,
      }));
      bed.send(...rows);
    }
  };
  const sample = async (name: string) => (await bed.samples()).get(name);
  const groups = (rule: string) => sample(`pipeline_extractor_groups{rule="${rule}",stage="c"}`);
  const rejected = 'pipeline_extractor_rejected_flows_total{rule="short",stage="c"}';
  send(0, 120_000);
  expect(await groups('short')).toBe(100_000);
  expect(await sample(rejected)).toBe(20_000);
  bed.pass(10);
  expect(await groups('short')).toBe(0);
  send(110_000, 111_000);
  expect(await groups('short')).toBe(1000);
  expect(await sample(rejected)).toBe(20_000);
  bed.pass(3595);
  expect(await groups('long')).toBe(1);
  bed.pass(10);
  expect(await groups('long')).toBe(0);
  await bed.stop();
});

test('rules are checked, all at once', async () => {
  const rules = [
    { name: 'a', groupByKeys: ['Interfaces'], operationType: 'count' },
    { name: 'b', groupByKeys: ['Proto'], operationType: 'sum' },
    { name: 'c', groupByKeys: ['Proto'], operationType: 'avg', operationKey: 'DnsName' },
  ];
  const error = await start({ rules }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NetobservError);
  const issues = (error as NetobservError).details.issues as readonly string[];
  expect(issues.map((text) => text.replace('parameters[0].extract.aggregates.', ''))).toEqual([
    expect.stringMatching(/^rules\[0\]\.groupByKeys\[0\]: field Interfaces holds list<str>, but /),
    'rules[1].operationKey: is needed for sum',
    expect.stringMatching(/^rules\[2\]\.operationKey: field DnsName holds str, but /),
  ]);
});

const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 6 });
const flow: fc.Arbitrary<Row> = fc
  .record({
    SrcAddr: optional(fc.constantFrom('10.0.0.1', '2001:db8::1', '::')),
    DnsName: optional(fc.constantFrom('', 'a', 'b,c')),
    Proto: optional(fc.constantFrom(6, 17)),
    SrcMac: optional(fc.constantFrom('02:00:00:00:00:01', '02:00:00:00:00:02')),
    Bytes: optional(fc.integer({ min: 0, max: 1000 })),
  })
  .map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)));

const OPERATIONS = ['sum', 'min', 'max', 'count', 'avg', 'raw_values'];
const config: fc.Arbitrary<AggregatesConfig> = fc.record({
  defaultExpiryTime: fc.constantFrom('5s', '12s'),
  rules: fc.array(
    fc.record(
      {
        name: fc.constantFrom('a', 'b'),
        groupByKeys: fc.uniqueArray(fc.constantFrom('SrcAddr', 'DnsName', 'Proto', 'SrcMac'), {
          maxLength: 3,
        }),
        operationType: fc.constantFrom(...OPERATIONS),
        operationKey: fc.constant('Bytes'),
        expiryTime: fc.constantFrom('1s', '9s', '30s'),
      },
      { requiredKeys: ['name', 'groupByKeys', 'operationType', 'operationKey'] },
    ),
    { minLength: 1, maxLength: 3 },
  ),
});

test('groups are those of a map of objects, by the clock, across table rotations', async () => {
  await fc.assert(
    fc.asyncProperty(
      config,
      fc.array(
        fc.record({
          flows: fc.array(flow, { maxLength: 8 }),
          passSeconds: fc.constantFrom(0, 1, 3, 7, 20),
        }),
        { maxLength: 6 },
      ),
      fc.constantFrom(6, 1_000_000),
      async (options, steps, tableLimit) => {
        const bed = await start(options, new TableSpace(tableLimit));
        const model = new AggregatesModel(options);
        let now = 0;
        for (const { flows, passSeconds } of steps) {
          bed.send(...flows);
          for (const row of flows) model.flow(row, now * 1000);
          const wanted: Row[] = [];
          for (const end = now + passSeconds; now < end; ) {
            now++;
            if (now % 5 === 0) wanted.push(...model.tick(now * 1000));
          }
          bed.pass(passSeconds);
          expect(sorted(await bed.records())).toEqual(sorted(wanted));
        }
        await bed.stop();
        expect(sorted(await bed.records())).toEqual(sorted(model.tick()));
      },
    ),
    { numRuns: 200 },
  );
});

function sorted(rows: readonly Row[]): readonly string[] {
  const text = (row: Row): string =>
    JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
  return rows.map(text).sort();
}
