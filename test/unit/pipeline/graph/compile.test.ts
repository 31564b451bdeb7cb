import { expect, test } from 'vitest';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BATCH_CAPACITY_ROWS, BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { PipelineConfig } from '../../../../src/pipeline/config.ts';
import { defaultPipeline } from '../../../../src/pipeline/defaults.ts';
import { appendRows } from '../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../../support/models/interpreter/test-stages.ts';

const label = (side: string) => ({
  type: 'add_subnet_label',
  add_subnet_label: { input: `${side}Addr`, output: `${side}SubnetLabel` },
});
const network = (name: string, rules: readonly unknown[]) => ({
  name,
  transform: {
    type: 'network',
    network: { rules, subnetLabels: [{ name: 'ten', cidrs: ['10.0.0.0/8'] }] },
  },
});
const filter = (name: string, rules: readonly unknown[]) => ({
  name,
  transform: { type: 'filter', filter: { rules } },
});
const prom = (name: string, labels: readonly string[]) => ({
  name,
  encode: {
    type: 'prom',
    prom: { metrics: [{ name: `${name}_total`, type: 'counter', labels }] },
  },
});
const store = (name: string) => ({ name, write: { type: 'store', store: { name } } });

test('only what somebody reads is decoded, and rules for nobody are left out', () => {
  const { pipeline } = testPipeline({
    pipeline: [
      { name: 'net', follows: 'preset-ingester' },
      { name: 'p', follows: 'net' },
    ],
    parameters: [
      network('net', [
        label('Src'),
        label('Dst'),
        { type: 'decode_tcp_flags', decode_tcp_flags: { input: 'Flags', output: 'Flags' } },
      ]),
      prom('p', ['SrcSubnetLabel', 'Proto', 'NoSuchField']),
    ],
  });
  expect(pipeline.decoded).toEqual(['SrcAddr', 'Proto']);
  expect(pipeline.layout.columns.map((column) => column.name)).toEqual([
    'SrcAddr',
    'SrcSubnetLabel',
    'Proto',
  ]);
  expect(pipeline.plan()).toBe(
    [
      'batches of 4096 rows',
      'decoded columns (2): SrcAddr, Proto',
      'columns made in place (1): SrcSubnetLabel',
      'preset-ingester (ingest preset)',
      '  net (transform network)',
      '    · add_subnet_label SrcAddr → SrcSubnetLabel',
      '    · add_subnet_label DstAddr: left out, nobody reads its result',
      '    · decode_tcp_flags Flags: left out, nobody reads its result',
      '    p (encode prom)',
      '      reads SrcSubnetLabel, Proto, NoSuchField',
      '',
    ].join('\n'),
  );
});

test('a sink of everything decodes what the source can fill, features included', () => {
  const config: PipelineConfig = {
    pipeline: [{ name: 'a', follows: 'preset-ingester' }],
    parameters: [store('a')],
  };
  const source = agentColumns(new Set());
  const all = testPipeline(config).pipeline;
  const few = testPipeline(config, { source }).pipeline;
  expect(few.layout.columns).toEqual(source);
  expect(few.layout.has('Bytes')).toBe(true);
  expect(few.layout.has('DnsName')).toBe(false);
  expect(all.layout.has('DnsName')).toBe(true);
});

test('branches clone what they write and nothing else; a removed field is not decoded', async () => {
  const { pipeline, stores } = testPipeline(
    {
      pipeline: [
        { name: 'change', follows: 'preset-ingester' },
        { name: 'a', follows: 'change' },
        { name: 'b', follows: 'preset-ingester' },
      ],
      parameters: [
        filter('change', [
          { type: 'add_field', addField: { input: 'Proto', value: 99 } },
          { type: 'add_field', addField: { input: 'Cluster', value: 'here' } },
          { type: 'remove_field', removeField: { input: 'Bytes' } },
        ]),
        store('a'),
        store('b'),
      ],
    },
    { source: ['Proto', 'Bytes', 'Packets'].map((name) => columnOf(name)) },
  );
  expect(pipeline.plan()).toContain('change (transform filter), forks, clones Bytes, Proto\n');
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [{ Proto: 6, Bytes: 10, Packets: 1 }]);
  pipeline.emit(batch);
  await pipeline.stop();
  expect(stores.a.rows).toEqual([{ Proto: 99, Packets: 1, Cluster: 'here' }]);
  expect(stores.b.rows).toEqual([{ Proto: 6, Bytes: 10, Packets: 1 }]);
});

function columnOf(name: string) {
  return agentColumns().find((column) => column.name === name)!;
}

test('a stage behind two others gets the flows of both', async () => {
  const keep = (value: number) => [
    { type: 'remove_entry_if_not_equal', removeEntry: { input: 'Proto', value } },
  ];
  const { pipeline, stores } = testPipeline({
    pipeline: [
      { name: 'tcp', follows: 'preset-ingester' },
      { name: 'udp', follows: 'preset-ingester' },
      { name: 'mark', follows: 'tcp' },
      { name: 'mark', follows: 'udp' },
      { name: 'a', follows: 'mark' },
    ],
    parameters: [
      filter('tcp', keep(6)),
      filter('udp', keep(17)),
      filter('mark', [{ type: 'add_field', addField: { input: 'Cluster', value: 'x' } }]),
      store('a'),
    ],
  });
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [{ Proto: 17 }, { Proto: 6 }, { Proto: 1 }]);
  pipeline.emit(batch);
  await pipeline.stop();
  expect(stores.a.rows).toEqual([
    { Proto: 6, Cluster: 'x' },
    { Proto: 17, Cluster: 'x' },
  ]);
  // It sees each flow once on each way to it.
  expect(pipeline.branches()).toEqual([
    { name: 'a', in: 6, filtered: 4, written: 2, dropped: {}, inFlight: 0 },
  ]);
});

test('batches come back once every branch has let go of them', async () => {
  const { pipeline, stores } = testPipeline({
    pipeline: [
      { name: 'a', follows: 'preset-ingester' },
      { name: 'p', follows: 'preset-ingester' },
    ],
    parameters: [store('a'), prom('p', ['Proto'])],
  });
  await pipeline.start(new AbortController().signal);
  const slow = Promise.withResolvers<void>();
  stores.a.gate = slow.promise;
  const first = pipeline.take();
  appendRows(first, [{ Proto: 6 }]);
  pipeline.emit(first);
  const second = pipeline.take();
  expect(second).not.toBe(first);
  slow.resolve();
  while (pipeline.branches()[0]!.inFlight > 0) await new Promise(setImmediate);
  await new Promise(setImmediate);
  const third = pipeline.take();
  expect(third).toBe(first);
  expect(third.length).toBe(0);
  await pipeline.stop();
});

test('a batch of another layout is taken too', async () => {
  const tables = new TableSpace();
  const config = defaultPipeline({ store: 'a', prefix: 'n_' });
  const { pipeline, stores } = testPipeline(config, { tables });
  await pipeline.start(new AbortController().signal);
  const own = new FlowBatch(
    new BatchLayout(['SrcAddr', 'DstPort', 'Proto'].map(columnOf)),
    tables.current,
  );
  appendRows(own, [{ SrcAddr: '10.1.2.3', DstPort: 80, Proto: 6 }]);
  expect(pipeline.emit(own)).toBe(true);
  await pipeline.stop();
  expect(stores.a.rows).toEqual([
    { SrcAddr: '10.1.2.3', DstPort: 80, Proto: 6, SrcSubnetLabel: 'private', DstService: 'http' },
  ]);
});

test('a batch that the source made itself is not handed out again', async () => {
  const { pipeline } = testPipeline({
    pipeline: [{ name: 'p', follows: 'preset-ingester' }],
    parameters: [prom('p', ['Proto'])],
  });
  await pipeline.start(new AbortController().signal);
  const small = new FlowBatch(pipeline.layout, pipeline.take().tables, 1);
  appendRows(small, [{ Proto: 6 }]);
  pipeline.emit(small);
  expect(pipeline.take().capacity).toBe(BATCH_CAPACITY_ROWS);
  await pipeline.stop();
});

const CLUSTER_TEXT = { type: 'add_field', addField: { input: 'Cluster', value: 'x' } };
const CLUSTER_NUMBER = { type: 'add_field', addField: { input: 'Cluster', value: 7 } };

test('kinds belong to a way: two branches may add the same name with two kinds', async () => {
  const config: PipelineConfig = {
    pipeline: [
      { name: 'text', follows: 'preset-ingester' },
      { name: 'number', follows: 'preset-ingester' },
      { name: 'a', follows: 'text' },
      { name: 'b', follows: 'number' },
    ],
    parameters: [
      filter('text', [CLUSTER_TEXT]),
      filter('number', [CLUSTER_NUMBER]),
      store('a'),
      store('b'),
    ],
  };
  const { pipeline, stores } = testPipeline(config);
  await pipeline.start(new AbortController().signal);
  for (let turn = 0; turn < 3; turn++) {
    const batch = pipeline.take();
    appendRows(batch, [{ Proto: 6 }]);
    pipeline.emit(batch);
  }
  await pipeline.stop();
  expect(stores.a.rows).toEqual(Array(3).fill({ Proto: 6, Cluster: 'x' }));
  expect(stores.b.rows).toEqual(Array(3).fill({ Proto: 6, Cluster: 7 }));

  const joined = {
    ...config,
    pipeline: [...config.pipeline, { name: 'a', follows: 'number' }],
  };
  expect(() => testPipeline(joined)).toThrow(
    'field Cluster holds str, but another input makes f64',
  );
});

test('several sources and extractors each have an entry in the plan', async () => {
  const { pipeline, stores, clock } = testPipeline(
    {
      pipeline: [
        { name: 'sum', follows: 'preset-ingester' },
        { name: 'sum', follows: 'rows' },
        { name: 'a', follows: 'sum' },
        { name: 'b', follows: 'rows' },
      ],
      parameters: [
        { name: 'rows', ingest: { type: 'rows', rows: { batches: [[{ Proto: 6, Bytes: 5 }]] } } },
        { name: 'sum', extract: { type: 'sum', sum: {} } },
        store('a'),
        store('b'),
      ],
    },
    { types: WITH_TEST_STAGES },
  );
  expect(pipeline.plan()).toContain('columns made by sum (2): Proto, Bytes\nsum (extract sum)\n');
  expect(pipeline.decoded.toSorted()).toEqual(['Bytes', 'Proto']);
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [{ Proto: 6, Bytes: 10 }, { Proto: 17 }]);
  pipeline.emit(batch);
  clock.jump(1000);
  const late = pipeline.take();
  appendRows(late, [{ Proto: 1, Bytes: 2 }]);
  pipeline.emit(late);
  await pipeline.stop();
  expect(stores.a.rows).toEqual([
    { Proto: 6, Bytes: 15 },
    { Proto: 17, Bytes: 0 },
    { Proto: 1, Bytes: 2 },
  ]);
  expect(stores.b.rows).toEqual([{ Proto: 6, Bytes: 5 }]);
});
