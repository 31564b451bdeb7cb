import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { TableSpace } from '../../../../../src/flow/intern.ts';
import type { PipelineConfig } from '../../../../../src/pipeline/options/graph.ts';
import type { Pipeline } from '../../../../../src/pipeline/pipeline.ts';
import { parseSamples } from '../../../../support/models/interpreter/prom.ts';
import { appendRows, type Row } from '../../../../support/models/interpreter/rows.ts';
import { type TestPipeline, testPipeline } from '../../../../support/models/interpreter/setup.ts';
import { freePort } from '../../../../support/processes/program.ts';

const MINUTE_MS = 60_000;
const running: Pipeline[] = [];

afterEach(async () => {
  for (const pipeline of running.splice(0)) await pipeline.stop();
});

async function start(options: unknown, tables = new TableSpace()): Promise<TestPipeline> {
  const config = {
    pipeline: [{ name: 'p', follows: 'preset-ingester' }],
    parameters: [{ name: 'p', encode: { type: 'prom', prom: options } }],
  } as PipelineConfig;
  const made = testPipeline(config, { tables });
  await made.pipeline.start(new AbortController().signal);
  running.push(made.pipeline);
  return made;
}

function emit(pipeline: Pipeline, rows: readonly Row[]): void {
  const batch = pipeline.take();
  appendRows(batch, rows);
  pipeline.emit(batch);
}

const counter = (options: Record<string, unknown> = {}) => ({
  name: 'flows_total',
  type: 'counter',
  ...options,
});

test('histograms honour their buckets: bounds included, +Inf for the rest', async () => {
  const { pipeline, metrics } = await start({
    prefix: 'n_',
    metrics: [
      {
        name: 'rtt_seconds',
        type: 'histogram',
        help: 'Round trips\nby protocol',
        valueKey: 'TimeFlowRttNs',
        valueScale: 1e9,
        labels: ['Proto'],
        buckets: [0.005, 0.25, 1],
      },
    ],
  });
  emit(pipeline, [
    { Proto: 6, TimeFlowRttNs: 5e6 },
    { Proto: 6, TimeFlowRttNs: 5e6 + 1 },
    { Proto: 6, TimeFlowRttNs: 1e9 },
    { Proto: 6, TimeFlowRttNs: 3e9 },
    { Proto: 6 },
  ]);
  const text = await metrics.registry.metrics();
  expect(text).toContain(
    [
      '# HELP n_rtt_seconds Round trips\\nby protocol',
      '# TYPE n_rtt_seconds histogram',
      'n_rtt_seconds_bucket{Proto="6",le="0.005"} 1',
      'n_rtt_seconds_bucket{Proto="6",le="0.25"} 2',
      'n_rtt_seconds_bucket{Proto="6",le="1"} 3',
      'n_rtt_seconds_bucket{Proto="6",le="+Inf"} 4',
      'n_rtt_seconds_sum{Proto="6"} 4.010000001',
      'n_rtt_seconds_count{Proto="6"} 4',
      '',
    ].join('\n'),
  );
});

test('flow metrics and operational ones are one page, and each series is there once', async () => {
  const { pipeline, metrics } = await start({ metrics: [counter({ labels: ['DnsName'] })] });
  for (let i = 0; i < 3; i++) emit(pipeline, [{ DnsName: 'a"b\\c\nd' }, {}]);
  const text = await metrics.registry.metrics();
  const samples = parseSamples(text);
  expect(text).toContain('flows_total{DnsName="a\\"b\\\\c\\nd"} 3\n');
  expect(samples.get('flows_total{DnsName=""}')).toBe(3);
  expect(samples.get('metrics_processed{stage="p"}')).toBe(6);
  expect(samples.get('encode_prom_metrics_reported{stage="p"}')).toBe(2);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('# HELP'));
  expect(new Set(lines).size).toBe(lines.length);
});

test('series outlive the generation of tables that their labels came from', async () => {
  const tables = new TableSpace(4);
  const { pipeline, metrics } = await start(
    { metrics: [counter({ labels: ['DnsName', 'SrcAddr'] })] },
    tables,
  );
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 3; i++) emit(pipeline, [{ DnsName: `name${i}`, SrcAddr: `10.0.0.${i}` }]);
  }
  // A batch filled before the new generation of tables.
  const late = pipeline.take();
  appendRows(late, [{ DnsName: 'name1', SrcAddr: '10.0.0.1' }]);
  for (let i = 0; i < 3; i++) emit(pipeline, [{ DnsName: `x${i}`, SrcAddr: `10.0.1.${i}` }]);
  expect(late.tables).not.toBe(tables.current);
  pipeline.emit(late);
  expect(tables.rebuilds).toBeGreaterThan(3);
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('flows_total{DnsName="name0",SrcAddr="10.0.0.0"}')).toBe(5);
  expect(samples.get('flows_total{DnsName="name1",SrcAddr="10.0.0.1"}')).toBe(6);
  expect(samples.get('encode_prom_metrics_reported{stage="p"}')).toBe(6);
  expect(samples.get('pipeline_intern_rebuilds_total{}')).toBe(tables.rebuilds);
});

test('series that saw nothing for expiryTime are hidden; their counters continue, for ten times as long', async () => {
  const { pipeline, metrics, clock } = await start({
    expiryTime: '2m',
    metrics: [
      counter({ labels: ['DnsName'] }),
      counter({ name: 'bytes_total', valueKey: 'Bytes', labels: ['DnsName'] }),
      counter({ name: 'size', type: 'histogram', valueKey: 'Bytes', labels: ['DnsName'] }),
    ],
  });
  emit(pipeline, [
    { DnsName: 'quiet', Bytes: 1 },
    { DnsName: 'busy', Bytes: 1 },
  ]);
  clock.jump(1.5 * MINUTE_MS);
  emit(pipeline, [{ DnsName: 'busy', Bytes: 1 }]);
  expect((await metrics.registry.metrics()).match(/total\{DnsName="quiet"/g)).toHaveLength(2);
  clock.jump(1.25 * MINUTE_MS);
  const text = await metrics.registry.metrics();
  expect(text).not.toContain('quiet');
  expect(text).toContain('flows_total{DnsName="busy"} 2\n');
  expect(parseSamples(text).get('encode_prom_metrics_reported{stage="p"}')).toBe(3);

  // A reader that saw 1, then nothing, and now 7, would take 6 for the increase.
  emit(pipeline, [{ DnsName: 'quiet', Bytes: 7 }]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('flows_total{DnsName="quiet"}')).toBe(2);
  expect(samples.get('bytes_total{DnsName="quiet"}')).toBe(8);
  expect(samples.get('size_sum{DnsName="quiet"}')).toBe(8);
  expect(samples.get('bytes_total{DnsName="busy"}')).toBe(2);
  expect(samples.get('encode_prom_metrics_reported{stage="p"}')).toBe(6);

  clock.jump(21 * MINUTE_MS);
  emit(pipeline, [{ DnsName: 'quiet', Bytes: 3 }]);
  const last = parseSamples(await metrics.registry.metrics());
  expect(last.get('bytes_total{DnsName="quiet"}')).toBe(3);
  expect(last.get('size_sum{DnsName="quiet"}')).toBe(3);
});

test('no more hidden series are remembered than may be shown', async () => {
  const { pipeline, metrics, clock } = await start({
    expiryTime: '10s',
    maxMetrics: 3,
    metrics: [counter({ labels: ['DnsName'] })],
  });
  for (const round of ['a', 'b', 'a', 'c']) {
    emit(pipeline, [{ DnsName: `${round}1` }, { DnsName: `${round}2` }]);
    clock.jump(15_000);
  }
  // The second two hidden series were one too many, and then again: all were forgotten.
  emit(pipeline, [{ DnsName: 'a1' }, { DnsName: 'b1' }, { DnsName: 'c1' }]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect([...samples].filter(([key]) => key.startsWith('flows_total')).sort()).toEqual([
    ['flows_total{DnsName="a1"}', 1],
    ['flows_total{DnsName="b1"}', 1],
    ['flows_total{DnsName="c1"}', 1],
  ]);
});

test('labels of forgotten series leave memory, and living ones keep their names', async () => {
  const { pipeline, metrics, clock } = await start({
    expiryTime: '10s',
    metrics: [counter({ labels: ['DnsName', 'Proto'] })],
  });
  for (let round = 0; round < 20; round++) {
    const names = Array.from({ length: 4000 }, (_, i) => ({ DnsName: `r${round}-${i}`, Proto: 6 }));
    emit(pipeline, [...names, { DnsName: 'stays', Proto: 17 }]);
    clock.jump(8000);
  }
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('flows_total{DnsName="stays",Proto="17"}')).toBe(20);
  expect(samples.get('flows_total{DnsName="r19-3999",Proto="6"}')).toBe(1);
  expect(samples.has('flows_total{DnsName="r0-0",Proto="6"}')).toBe(false);
});

test('beyond maxMetrics samples go to the series other of their metric, and are counted', async () => {
  const { pipeline, metrics, clock } = await start({
    maxMetrics: 3,
    expiryTime: '10s',
    metrics: [
      counter({ labels: ['Proto'] }),
      counter({ name: 'bytes_total', valueKey: 'Bytes', labels: ['Proto'] }),
      counter({ name: 'ports_total', labels: ['SrcPort', 'DnsName'] }),
      counter({ name: 'all_total' }),
    ],
  });
  const series = async () =>
    [...parseSamples(await metrics.registry.metrics())].filter(([key]) => /^\w+_total/.test(key));
  emit(pipeline, [
    { Proto: 1, Bytes: 5, SrcPort: 7 },
    { Proto: 2, Bytes: 5, SrcPort: 7 },
    { Proto: 1, Bytes: 5, SrcPort: 8 },
    { Proto: 3, Bytes: 1, SrcPort: 8 },
  ]);
  const own = async () => (await series()).filter(([key]) => !key.startsWith('pipeline'));
  expect(await own()).toEqual([
    // In the order of the flows, by metric: 1, 2 and 3 have taken the room.
    ['flows_total{Proto="1"}', 2],
    ['flows_total{Proto="2"}', 1],
    ['flows_total{Proto="3"}', 1],
    ['bytes_total{Proto="other"}', 16],
    ['ports_total{DnsName="other",SrcPort="other"}', 4],
    ['all_total{}', 4],
  ]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('metrics_dropped{stage="p"}')).toBe(8);
  expect(samples.get('encode_prom_metrics_reported{stage="p"}')).toBe(6);

  // Series that expire make room; the sums of others stay where they are.
  clock.jump(15_000);
  emit(pipeline, [{ Proto: 1, Bytes: 5, SrcPort: 7 }]);
  expect(await own()).toEqual([
    ['flows_total{Proto="1"}', 3],
    ['bytes_total{Proto="1"}', 5],
    ['ports_total{DnsName="",SrcPort="7"}', 1],
    ['all_total{}', 5],
  ]);
});

test('any flows: with other, the sums are those without a limit', async () => {
  const labels = ['Proto', 'Interfaces'];
  const made = async (maxMetrics: number) =>
    start({
      maxMetrics,
      metrics: [
        counter({ name: 'm_a', labels, flatten: ['Interfaces'] }),
        counter({ name: 'm_b', valueKey: 'Bytes', labels: ['Proto'] }),
        counter({ name: 'm_c', type: 'histogram', valueKey: 'Bytes', labels: ['SrcPort'] }),
      ],
    });
  const row = fc.record({
    Proto: fc.integer({ min: 0, max: 9 }),
    Interfaces: fc.subarray(['eth0', 'eth1', 'other']),
    SrcPort: fc.integer({ min: 0, max: 9 }),
    Bytes: fc.integer({ min: 0, max: 1000 }),
  });
  const max = fc.integer({ min: 1, max: 40 });
  await fc.assert(
    fc.asyncProperty(fc.array(row, { maxLength: 60 }), max, async (rows, maxMetrics) => {
      const sums = [];
      for (const limit of [maxMetrics, 0]) {
        const { pipeline, metrics } = await made(limit);
        emit(pipeline, rows);
        const samples = parseSamples(await metrics.registry.metrics());
        const named = [...samples].filter(([key]) => /^m_/.test(key));
        const ofMetric = Map.groupBy(named, ([key]) => key.replace(/\{.*?(le="[^"]*")?\}/, '$1'));
        sums.push(
          [...ofMetric]
            .map(([key, own]) => [key, own.reduce((sum, [, value]) => sum + value, 0)])
            .sort(),
        );
        const shown = samples.get('encode_prom_metrics_reported{stage="p"}') ?? 0;
        if (limit > 0) expect(shown).toBeLessThanOrEqual(limit + 3);
      }
      expect(sums[0]).toEqual(sums[1]);
    }),
    { numRuns: 50 },
  );
});

test('agg_histogram observes each number of a list; what is none is counted', async () => {
  const { pipeline, metrics } = await start({
    metrics: [
      counter({
        name: 'sizes',
        type: 'agg_histogram',
        valueKey: 'NetworkEvents',
        valueScale: 10,
        labels: ['Proto'],
        buckets: [1, 10],
      }),
    ],
  });
  emit(pipeline, [
    { Proto: 6, NetworkEvents: [5, 50, 500] },
    { Proto: 17, NetworkEvents: [5] },
    { Proto: 6, NetworkEvents: [7, 'x', -1] },
    { Proto: 6, NetworkEvents: { a: 1 } },
    { Proto: 6 },
  ]);
  const samples = parseSamples(await metrics.registry.metrics());
  const own = [...samples].filter(([key]) => key.startsWith('sizes') && key.includes('"6"'));
  expect(own).toEqual([
    ['sizes_bucket{Proto="6",le="1"}', 2],
    ['sizes_bucket{Proto="6",le="10"}', 3],
    ['sizes_bucket{Proto="6",le="+Inf"}', 4],
    ['sizes_sum{Proto="6"}', 56.2],
    ['sizes_count{Proto="6"}', 4],
  ]);
  const bad = 'encode_prom_errors{error="ValueConversionError",key="p",metric="sizes"}';
  const errors = [...samples].filter(([key]) => key.startsWith('encode_prom_errors'));
  expect(errors).toEqual([[bad, 3]]);
});

test('flattened maps count by their keys, and filters take single elements out', async () => {
  const { pipeline, metrics } = await start({
    metrics: [
      counter({
        labels: ['NetworkEvents>Action', 'NetworkEvents>Name'],
        remap: { 'NetworkEvents>Action': 'action', 'NetworkEvents>Name': 'policy' },
        flatten: ['NetworkEvents'],
        filters: [
          { key: 'NetworkEvents>Feature', value: 'acl' },
          { key: 'NetworkEvents>Action', value: 'allow', type: 'not_equal' },
        ],
      }),
    ],
  });
  const drop = { Feature: 'acl', Action: 'drop', Name: 'deny-all' };
  emit(pipeline, [
    { NetworkEvents: [drop, { Feature: 'acl', Action: 'allow' }, { Feature: 'other' }] },
    { NetworkEvents: [drop, drop] },
    {},
  ]);
  const samples = parseSamples(await metrics.registry.metrics());
  const own = [...samples].filter(([key]) => key.startsWith('flows_total'));
  expect(own).toEqual([['flows_total{action="drop",policy="deny-all"}', 3]]);
});

test('a counter never goes back', async () => {
  const { pipeline, metrics } = await start({ metrics: [counter({ valueKey: 'Bytes' })] });
  emit(pipeline, [{ Bytes: 5 }, { Bytes: -3 }, { Bytes: Number.NaN }]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('flows_total{}')).toBe(5);
  const key = 'encode_prom_errors{error="ValueConversionError",key="p",metric="flows_total"}';
  expect(samples.get(key)).toBe(2);
});

test('nor does one of a field that only the input knows', async () => {
  const { pipeline, metrics } = await start({ metrics: [counter({ valueKey: 'NetworkEvents' })] });
  emit(pipeline, [{ NetworkEvents: 5 }, { NetworkEvents: -3 }]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('flows_total{}')).toBe(5);
});

test('filters of one key are alternatives: two inequalities pass every flow', async () => {
  const not = (value: string) => ({ key: 'DnsName', value, type: 'not_equal' });
  const { pipeline, metrics } = await start({
    metrics: [
      counter({ name: 'one', filters: [not('a')] }),
      counter({ name: 'two', filters: [not('a'), not('b')] }),
    ],
  });
  emit(pipeline, [{ DnsName: 'a' }, { DnsName: 'b' }, { Bytes: 1 }]);
  const samples = parseSamples(await metrics.registry.metrics());
  expect([samples.get('one{}'), samples.get('two{}')]).toEqual([2, 3]);
});

test('patterns may ignore case as RE2 writes it', async () => {
  const filters = [{ key: 'DnsName', value: '(?i)^EXAMPLE', type: 'match_regex' }];
  const { pipeline, metrics } = await start({ metrics: [counter({ filters })] });
  emit(pipeline, [{ DnsName: 'example.org' }, { DnsName: 'other' }]);
  expect(parseSamples(await metrics.registry.metrics()).get('flows_total{}')).toBe(1);
});

test('a stage with a port has a server of its own, for those who have its token', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-prom-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const tokenPath = join(folder, 'token');
  writeFileSync(tokenPath, '0123456789abcdef');
  const port = await freePort();
  const own = { address: '127.0.0.1', port, tokenPath, metrics: [counter()] };
  const { pipeline, metrics } = await start(own);
  emit(pipeline, [{}, {}]);
  const url = `http://127.0.0.1:${port}/metrics`;
  expect((await fetch(url)).status).toBe(401);
  const headers = { authorization: 'Bearer 0123456789abcdef' };
  expect(await (await fetch(url, { headers })).text()).toContain('flows_total 2\n');
  const shared = await metrics.registry.metrics();
  expect(shared).not.toContain('flows_total 2');
  expect(shared).toContain('http_refused_requests_total{server="metrics"} 1\n');
});

test('a token without an own server is a mistake', async () => {
  await expect(start({ tokenPath: 'token', metrics: [counter()] })).rejects.toThrow(
    /encode\.prom\.tokenPath: is for the stage’s own server/,
  );
});
