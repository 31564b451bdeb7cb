import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { Results } from '../../../../src/pipeline/extract/results.ts';
import { Window } from '../../../../src/pipeline/extract/window.ts';
import { startExtractor } from '../../../support/models/interpreter/extractor-bed.ts';
import type { Row } from '../../../support/models/interpreter/rows.ts';
import {
  TimebasedModel,
  type TimebasedRuleConfig,
} from '../../../support/models/interpreter/timebased.ts';

const start = (options: unknown, tables = new TableSpace()) =>
  startExtractor('timebased', options, { tables });

const TOP = {
  name: 'top',
  indexKeys: ['SrcAddr', 'DnsName'],
  operationType: 'sum',
  operationKey: 'Bytes',
  topK: 2,
  timeInterval: '12s',
};

test('the first groups of the last twelve seconds, every five seconds', async () => {
  const bed = await start({ rules: [TOP] });
  const row = (SrcAddr: string, Bytes: number, DnsName = 'a,b') => ({ SrcAddr, DnsName, Bytes });
  bed.send(row('10.0.0.1', 5), row('10.0.0.2', 9), row('10.0.0.3', 7), row('10.0.0.3', 1));
  bed.send(row('10.0.0.4', 1000, ''), { SrcAddr: '10.0.0.5', Bytes: 1000 });
  const result = { name: 'top', index_key: 'SrcAddr,DnsName', operation: 'sum' };
  bed.pass(5);
  expect(await bed.records()).toEqual([
    { ...result, ...row('10.0.0.2', 9) },
    { ...result, ...row('10.0.0.3', 8) },
  ]);
  bed.pass(1);
  bed.send(row('10.0.0.1', 6));
  bed.pass(4);
  expect(await bed.records()).toEqual([
    { ...result, ...row('10.0.0.1', 11) },
    { ...result, ...row('10.0.0.2', 9) },
  ]);
  bed.pass(5);
  expect(await bed.records()).toEqual([{ ...result, ...row('10.0.0.1', 6) }]);
  bed.pass(5);
  expect(await bed.records()).toEqual([]);
  const groups = 'pipeline_extractor_groups{rule="top",stage="c"}';
  expect((await bed.samples()).get(groups)).toBe(0);
  bed.send(row('10.0.0.9', 2));
  await bed.stop();
  expect(await bed.records()).toEqual([{ ...result, ...row('10.0.0.9', 2) }]);
});

test('reversed: the least results; indexKey: one key as in old configurations', async () => {
  const rule = { name: 'rare', indexKey: 'SrcPort', operationType: 'count', timeInterval: '1m' };
  const bed = await start({ rules: [{ ...rule, topK: 1, reversed: true }] });
  bed.send({ SrcPort: 80 }, { SrcPort: 80 }, { SrcPort: 443 });
  await bed.stop();
  expect(await bed.records()).toEqual([
    { name: 'rare', index_key: 'SrcPort', operation: 'count', count: 1, SrcPort: 443 },
  ]);
});

test('a full window gives up its oldest entries', () => {
  const window = new Window(2048);
  let evicted = 0;
  for (let i = 0; i < 5000; i++) if (window.add(i, 1, i)) evicted++;
  expect(evicted).toBe(5000 - 2048);
  const results = new Results();
  const read = () => {
    results.reserve(2);
    results.clear(1);
    window.addTo(results);
    return ['count', 'min', 'max', 'diff'].map((one) => results.value(1, one as 'count'));
  };
  expect(read()).toEqual([2048, 2952, 4999, 2047]);
  window.expire(4990);
  expect(read()).toEqual([9, 4991, 4999, 8]);
});

test('rules are checked, all at once', async () => {
  const rules = [
    { ...TOP, indexKeys: [] },
    { ...TOP, indexKeys: ['Interfaces'] },
    { name: 'b', indexKeys: ['Proto'], operationType: 'diff', timeInterval: '1m' },
    { ...TOP, operationKey: 'Dscp' },
  ];
  const error = await start({ rules }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NetobservError);
  const issues = (error as NetobservError).details.issues as readonly string[];
  expect(issues.map((text) => text.replace('parameters[0].extract.timebased.', ''))).toEqual([
    'rules[0].indexKeys: names no field: one is needed',
    expect.stringMatching(/^rules\[1\]\.indexKeys\[0\]: field Interfaces holds list<str>, but /),
    'rules[2].operationKey: is needed for diff',
    'rules[3].operationKey: field Dscp holds u8, but the result is f64',
  ]);
});

const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 6 });
const flow: fc.Arbitrary<Row> = fc
  .record({
    SrcAddr: optional(fc.constantFrom('10.0.0.1', '2001:db8::1')),
    DnsName: optional(fc.constantFrom('', 'a', 'b,c')),
    Proto: optional(fc.constantFrom(6, 17)),
    Bytes: optional(fc.integer({ min: 0, max: 1000 })),
  })
  .map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)));

const rule: fc.Arbitrary<TimebasedRuleConfig> = fc.record({
  name: fc.constant('r'),
  indexKeys: fc.uniqueArray(fc.constantFrom('SrcAddr', 'DnsName', 'Proto'), { minLength: 1 }),
  operationType: fc.constantFrom('sum', 'avg', 'min', 'max', 'count', 'last', 'diff'),
  operationKey: fc.constant('Bytes'),
  topK: fc.constantFrom(0, 1, 3),
  reversed: fc.boolean(),
  timeInterval: fc.constantFrom('1s', '5s', '8s', '60s'),
});

test('results are those over a list of all flows, by the clock, across table rotations', async () => {
  await fc.assert(
    fc.asyncProperty(
      rule,
      fc.array(
        fc.record({
          flows: fc.array(flow, { maxLength: 8 }),
          passSeconds: fc.constantFrom(0, 1, 3, 7, 20),
        }),
        { maxLength: 6 },
      ),
      fc.constantFrom(6, 1_000_000),
      async (options, steps, tableLimit) => {
        const bed = await start({ rules: [options] }, new TableSpace(tableLimit));
        const model = new TimebasedModel(options);
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
          const records = await bed.records();
          expect(ranking(records)).toEqual(ranking(wanted));
          // With a limit, groups with the same result may stand for each other.
          if (options.topK === 0) expect(sorted(records)).toEqual(sorted(wanted));
        }
        await bed.stop();
        expect(ranking(await bed.records())).toEqual(ranking(model.tick(now * 1000)));
      },
    ),
    { numRuns: 200 },
  );
});

/** Results in their order. */
function ranking(rows: readonly Row[]): readonly unknown[] {
  return rows.map(({ name, index_key, operation, Bytes }) => [name, index_key, operation, Bytes]);
}

function sorted(rows: readonly Row[]): readonly string[] {
  const text = (row: Row): string =>
    JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
  return rows.map(text).sort();
}
