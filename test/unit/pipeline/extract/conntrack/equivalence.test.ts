import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TableSpace } from '../../../../../src/flow/intern.ts';
import {
  type ConntrackConfig,
  ConntrackModel,
} from '../../../../support/models/interpreter/conntrack.ts';
import { appendRows, type Row } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../../../support/models/interpreter/test-stages.ts';

const ADDRESSES = ['10.0.0.1', '10.0.0.2', '2001:db8::1', '::'];
const MACS = ['02:00:00:00:00:01', '02:00:00:00:00:02'];
const optional = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 6 });

const flow: fc.Arbitrary<Row> = fc
  .record({
    SrcAddr: optional(fc.constantFrom(...ADDRESSES)),
    DstAddr: optional(fc.constantFrom(...ADDRESSES)),
    SrcPort: optional(fc.constantFrom(80, 40_000)),
    DstPort: optional(fc.constantFrom(80, 40_000)),
    SrcMac: optional(fc.constantFrom(...MACS)),
    DstMac: optional(fc.constantFrom(...MACS)),
    SrcK8S_Name: optional(fc.constantFrom('', 'client', 'sérver')),
    DstK8S_Name: optional(fc.constantFrom('', 'client', 'sérver')),
    Proto: optional(fc.constantFrom(6, 6, 6, 17, 132, 1)),
    Flags: optional(fc.constantFrom(0x02, 0x10, 0x11, 0x100, 0x101)),
    Bytes: optional(fc.integer({ min: 0, max: 1e9 })),
    DnsErrno: optional(fc.constantFrom(0, 3, 4_000_000_000)),
    Duplicate: fc.constantFrom(undefined, undefined, undefined, 0, 1),
    Interfaces: fc.constantFrom(undefined, ['eth0'], ['eth0', 'br0'], ['lo', 'eth0', 'br0']),
    IfDirections: fc.constantFrom(undefined, [0], [1, 0]),
    NetworkEvents: fc.constantFrom(undefined, [{ Name: 'deny' }], [{ Name: 'allow' }]),
    weight: fc.constantFrom(undefined, 0.25, 80, 40_000),
    // The pipeline filters such flows out.
    Dscp: fc.constantFrom(undefined, undefined, undefined, 46),
  })
  .map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined)));

const SIDES = [
  [['SrcAddr'], ['DstAddr']],
  [
    ['SrcAddr', 'SrcPort'],
    ['DstAddr', 'DstPort'],
  ],
  [['SrcMac'], ['DstMac']],
  [
    ['SrcK8S_Name', 'SrcPort'],
    ['DstK8S_Name', 'DstPort'],
  ],
] as const;

const NUMERIC = ['sum', 'count', 'min', 'max'];
const FIELDS = ['Bytes', 'Flags', 'DnsErrno', 'weight'];
const VALUES = [...FIELDS, 'Interfaces', 'IfDirections', 'NetworkEvents', 'SrcMac', 'SrcAddr'];
const outputField = fc.oneof(
  fc.record({
    operation: fc.constantFrom(...NUMERIC),
    input: fc.constantFrom(...FIELDS),
    splitAB: fc.boolean(),
    reportMissing: fc.boolean(),
  }),
  fc.record({
    operation: fc.constantFrom('first', 'last'),
    input: fc.constantFrom(...VALUES, 'DstK8S_Name'),
  }),
);

const times = fc.record({
  endConnectionTimeout: fc.constantFrom('0s', '2s', '7s'),
  terminatingTimeout: fc.constantFrom('0s', '1s', '5s'),
  heartbeatInterval: fc.constantFrom('0s', '1s', '3s'),
});

const config: fc.Arbitrary<ConntrackConfig> = fc
  .record({
    sides: fc.constantFrom(undefined, ...SIDES),
    common: fc.constantFrom(['Proto'], ['Proto', 'weight'], ['Proto', 'DnsErrno']),
    types: fc.uniqueArray(
      fc.constantFrom('newConnection', 'heartbeat', 'endConnection', 'flowLog'),
      {
        minLength: 1,
      },
    ),
    fields: fc.array(outputField, { maxLength: 5 }),
    selectors: fc.uniqueArray(
      fc.constantFrom<Record<string, unknown>>({ Proto: 6 }, { Proto: '17' }, { SrcPort: 80 }),
      { maxLength: 2 },
    ),
    times: fc.array(times, { minLength: 3, maxLength: 3 }),
    max: fc.constantFrom(0, 0, 2),
    flags: fc.record({ detectEndConnection: fc.boolean(), swapAB: fc.boolean() }),
  })
  .map(({ sides, common, types, fields, selectors, times: lists, max, flags }) => {
    const groups = sides === undefined ? [] : [...sides.entries()];
    const keys = new Set<string>([...common, ...(sides?.flat() ?? [])]);
    const usable = selectors.filter((one) => Object.keys(one).every((field) => keys.has(field)));
    return {
      keyDefinition: {
        fieldGroups: [
          { name: 'common', fields: common },
          ...groups.map(([index, side]) => ({ name: `side${index}`, fields: [...side] })),
        ],
        hash: {
          fieldGroupRefs: ['common'],
          ...(sides && { fieldGroupARef: 'side0', fieldGroupBRef: 'side1' }),
        },
      },
      outputRecordTypes: types,
      outputFields: fields.map((one, index) => ({
        ...one,
        name: `r${index}`,
        ...('splitAB' in one && { splitAB: one.splitAB && sides !== undefined }),
      })),
      scheduling: [
        ...usable.map((selector, index) => ({ selector, ...lists[index]! })),
        lists.at(-1)!,
      ],
      maxConnectionsTracked: max,
      tcpFlags: { fieldName: 'Flags', ...flags, swapAB: flags.swapAB && sides !== undefined },
    };
  });

interface Step {
  readonly flows: readonly Row[];
  /** Flows whose batch is filled before those of `flows`, and comes after them. */
  readonly late: readonly Row[];
  readonly passMs: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  flows: fc.array(flow, { maxLength: 10 }),
  late: fc.array(flow, { maxLength: 2 }),
  passMs: fc.constantFrom(0, 500, 1000, 2500, 4000, 9000),
});

test('connections are those of a map of objects, by the clock, across table rotations', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      config,
      fc.array(step, { maxLength: 6 }),
      fc.constantFrom(8, 1_000_000),
      async (conntrack, steps, tableLimit) => {
        const { pipeline, stores, clock } = testPipeline(
          {
            pipeline: [
              { name: 'some', follows: 'preset-ingester' },
              { name: 'c', follows: 'some' },
              { name: 'end', follows: 'c' },
            ],
            parameters: [
              { name: 'some', transform: { type: 'filter', filter: { rules: [WITHOUT_DSCP] } } },
              { name: 'c', extract: { type: 'conntrack', conntrack } },
              { name: 'end', write: { type: 'store', store: { name: 'a' } } },
            ],
          },
          {
            tables: new TableSpace(tableLimit),
            types: WITH_TEST_STAGES,
            source: SOURCE,
          },
        );
        await pipeline.start(new AbortController().signal);
        const model = new ConntrackModel(conntrack);
        const wanted: Row[] = [];
        let nowMs = 0;
        for (const { flows, late, passMs } of steps) {
          const lateBatch = pipeline.take();
          appendRows(lateBatch, late);
          const batch = pipeline.take();
          appendRows(batch, flows);
          pipeline.emit(batch);
          pipeline.emit(lateBatch);
          for (const row of [...flows, ...late]) {
            if (row.Dscp === undefined) wanted.push(...model.flow(row, nowMs));
          }
          clock.jump(passMs);
          for (let tick = nextSecond(nowMs); tick <= nowMs + passMs; tick += 1000) {
            wanted.push(...model.tick(tick));
          }
          nowMs += passMs;
          await new Promise(setImmediate);
          expect(sorted(stores.a.rows)).toEqual(sorted(wanted));
        }
        await pipeline.stop();
        expect(sorted(stores.a.rows)).toEqual(sorted([...wanted, ...model.flush()]));
      },
    ),
    { numRuns: 400 },
  );
});

const WITHOUT_DSCP = { type: 'remove_entry_if_exists', removeEntry: { input: 'Dscp' } };

const SOURCE = [
  { name: 'Dscp', kind: 'u8' },
  { name: 'SrcAddr', kind: 'addr' },
  { name: 'DstAddr', kind: 'addr' },
  { name: 'SrcPort', kind: 'u16' },
  { name: 'DstPort', kind: 'u16' },
  { name: 'SrcMac', kind: 'mac' },
  { name: 'DstMac', kind: 'mac' },
  { name: 'SrcK8S_Name', kind: 'str' },
  { name: 'DstK8S_Name', kind: 'str' },
  { name: 'Proto', kind: 'u8' },
  { name: 'Flags', kind: 'u16' },
  { name: 'Bytes', kind: 'f64' },
  { name: 'DnsErrno', kind: 'u32' },
  { name: 'Duplicate', kind: 'u8' },
  { name: 'Interfaces', kind: 'list<str>' },
  { name: 'IfDirections', kind: 'list<u32>' },
  { name: 'NetworkEvents', kind: 'any' },
  { name: 'weight', kind: 'any' },
] as const;

function nextSecond(ms: number): number {
  return Math.floor(ms / 1000) * 1000 + 1000;
}

function sorted(rows: readonly Row[]): readonly string[] {
  const text = (row: Row): string =>
    JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
  return rows.map(text).sort();
}
