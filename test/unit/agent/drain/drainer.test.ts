import { beforeEach, expect, test } from 'vitest';
import { Accounting } from '../../../../src/agent/drain/accounting.ts';
import { Drainer, type DrainerDeps } from '../../../../src/agent/drain/drainer.ts';
import { FateCounter } from '../../../../src/agent/drain/fates.ts';
import { flowMetrics, stat } from '../../../../src/agent/drain/layout.gen.ts';
import { VitalsReader } from '../../../../src/agent/drain/vitals.ts';
import type { FeatureReader } from '../../../../src/agent/features/reader.ts';
import { parseFilterRules } from '../../../../src/agent/filters/parse.ts';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { type AgentMetrics, createAgentMetrics } from '../../../../src/agent/metrics.ts';
import type { FlowBatch } from '../../../../src/flow/batch.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../../src/telemetry/metrics.ts';
import { type FakeFlow, FakeKernel, writeFlow } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';
import { takeBatch, viewFlows } from '../../../support/processes/agent-host.ts';

const OBJECT = {} as BpfObject;

let kernel: FakeKernel;
let clock: ManualClock;
let registry: Metrics;
let metrics: AgentMetrics;
let fates: FateCounter;
let accounting: Accounting;
let vitals: VitalsReader;
let drainer: Drainer;
let emitted: string[];
let takes: boolean;
let readers: FeatureReader[];

beforeEach(() => {
  kernel = new FakeKernel();
  clock = new ManualClock();
  registry = createMetrics('');
  metrics = createAgentMetrics(registry, 'info');
  fates = new FateCounter(kernel, OBJECT, metrics);
  accounting = new Accounting(fates, metrics);
  const mapBytes = (fd: number): number => fd * 1000;
  vitals = new VitalsReader(
    { native: kernel, object: OBJECT, clock, metrics, probes: ['some_probe'], mapBytes },
    10,
  );
  emitted = [];
  takes = true;
  readers = [];
  drainer = drainerWith({});
});

function drainerWith(deps: Partial<DrainerDeps>): Drainer {
  return new Drainer({
    native: kernel,
    object: OBJECT,
    clock,
    kernelMonotonicMs: () => clock.monotonicMs(),
    log: createLog('silent'),
    metrics,
    fates,
    accounting,
    vitals,
    names: new InterfaceNames(),
    take: takeBatch,
    emit: (batch: FlowBatch) => {
      emitted.push(...viewFlows(batch).map((flow) => flow.SrcAddr));
      return takes;
    },
    agentIp: () => '192.0.2.1',
    valueBytes: flowMetrics.sizeBytes,
    readers,
    ...deps,
  });
}

function flow(src: string): FakeFlow {
  return { src, dst: '10.0.0.2', bytes: 100, packets: 2 };
}

function swaps(): number {
  return kernel.calls.filter((call) => call === 'swap').length;
}

test('drains once every period', async () => {
  drainer.start(1000);
  kernel.record(flow('10.0.0.1'));
  await clock.advance(999);
  expect(emitted).toEqual([]);
  await clock.advance(1);
  expect(emitted).toEqual(['10.0.0.1']);
  kernel.record(flow('10.0.0.3'));
  await clock.advance(1000);
  expect(emitted).toEqual(['10.0.0.1', '10.0.0.3']);
  await drainer.stop();
  expect(clock.waiting).toBe(0);
});

test('drains early when the map fills', async () => {
  kernel.record(flow('10.0.0.1'));
  drainer.wake();
  await settle();
  expect(emitted).toEqual(['10.0.0.1']);
});

test('drains never overlap, and many calls at once share the next one', async () => {
  const first = drainer.drain('asked');
  // Too late for the drain that has already swapped: the next one must return it.
  await Promise.resolve();
  await Promise.resolve();
  kernel.record(flow('10.0.0.9'));
  drainer.wake();
  await Promise.all([first, drainer.drain('asked'), drainer.drain('asked')]);
  expect(emitted).toEqual(['10.0.0.9']);
  expect(swaps()).toBe(2);
  const order = kernel.calls.map((call) => call.split(' ')[0]);
  expect(order).toEqual(['swap', 'drain', 'swap', 'drain', 'drain']);
});

test('a drain reads until the map is empty', async () => {
  kernel.drainLimit = 2;
  kernel.record(...['1', '2', '3', '4', '5'].map((last) => flow(`10.0.0.${last}`)));
  await drainer.drain('asked');
  expect(emitted).toHaveLength(5);
});

test('stop drains both maps', async () => {
  kernel.record(flow('10.0.0.1'));
  kernel.refuse.drain = () => ({ code: 'ENOMEM' });
  await expect(drainer.drain('asked')).rejects.toThrow('ENOMEM');
  kernel.refuse = {};
  kernel.record(flow('10.0.0.2'));
  await drainer.stop();
  expect(emitted.sort()).toEqual(['10.0.0.1', '10.0.0.2']);
});

test('a failure is counted and the flows come with a later drain', async () => {
  drainer.start(1000);
  kernel.record(flow('10.0.0.1'));
  kernel.refuse.drain = () => ({ code: 'ENOMEM' });
  await clock.advance(1000);
  expect(await registry.registry.getSingleMetricAsString('errors_total')).toMatch(
    /component="flow-fetcher",error="CannotDrain",severity="high"} 1/,
  );
  kernel.refuse = {};
  await clock.advance(2000);
  expect(emitted).toEqual(['10.0.0.1']);
});

test('times are the wall clock’s, by one offset', async () => {
  clock = new ManualClock(1_700_000_000_000);
  await clock.advance(5000);
  kernel.record({ ...flow('10.0.0.1'), startNs: 1e9, endNs: 2e9 });
  const seen: number[] = [];
  const timed = drainerWith({
    clock,
    kernelMonotonicMs: () => clock.monotonicMs(),
    emit: (batch) => {
      seen.push(batch.f64('TimeFlowStartMs')[0]!, batch.f64('TimeFlowEndMs')[0]!, batch.receivedMs);
      return true;
    },
  });
  await timed.drain('asked');
  expect(seen).toEqual([1_700_000_001_000, 1_700_000_002_000, 1_700_000_005_000]);
});

test('a wall clock that is set: drains go on, and times are by the clock as it is now', async () => {
  clock = new ManualClock(1_700_000_000_000);
  let setBackMs = 0;
  const seen: number[] = [];
  const stepping = drainerWith({
    clock: {
      nowMs: () => clock.nowMs() - setBackMs,
      monotonicMs: () => clock.monotonicMs(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      every: (ms, tick) => clock.every(ms, tick),
    },
    kernelMonotonicMs: () => clock.monotonicMs(),
    emit: (batch) => {
      seen.push(batch.f64('TimeFlowEndMs')[0]!);
      return true;
    },
  });
  stepping.start(1000);
  kernel.record({ ...flow('10.0.0.1'), startNs: 5e8, endNs: 5e8 });
  await clock.advance(1000);
  setBackMs = 3_600_000;
  kernel.record({ ...flow('10.0.0.1'), startNs: 15e8, endNs: 15e8 });
  await clock.advance(1000);
  await stepping.stop();
  expect(seen).toEqual([1_700_000_000_500, 1_700_000_001_500 - 3_600_000]);
});

test('accounting: recorded, dropped by the pipeline, and the kernel’s own counts over all CPUs', async () => {
  kernel.record(flow('10.0.0.1'));
  await drainer.drain('asked');
  takes = false;
  kernel.record(flow('10.0.0.2'), flow('10.0.0.3'));
  kernel.stats.set(stat.notIp, { packets: 3, bytes: 180 });
  kernel.stats.set(stat.mapFull, { packets: 5, bytes: 2 ** 40 + 1 });
  kernel.stats.set(stat.sampledOut, { packets: 7, bytes: 700 });
  kernel.stats.set(stat.messagesLost, { packets: 2, bytes: 0 });
  kernel.stats.set(stat.dnsUnasked, { packets: 3, bytes: 0 });
  kernel.stats.set(stat.sideBusy, { packets: 6, bytes: 0 });
  await drainer.drain('asked');
  expect(fates.view()).toEqual({
    recordedPackets: 2,
    recordedBytes: 100,
    sampledOutPackets: 7,
    sampledOutBytes: 700,
    filteredPackets: 0,
    filteredBytes: 0,
    unrecorded: {
      not_ip: { packets: 3, bytes: 180 },
      malformed: { packets: 0, bytes: 0 },
      not_looked_into: { packets: 0, bytes: 0 },
      map_full: { packets: 5, bytes: 2 ** 40 + 1 },
      map_error: { packets: 0, bytes: 0 },
      pipeline_full: { packets: 4, bytes: 200 },
    },
  });
  expect(accounting.view()).toEqual({
    ...fates.view(),
    seenPackets: 2 + 7 + 3 + 5 + 4,
    seenBytes: 100 + 700 + 180 + 2 ** 40 + 1 + 200,
    incomplete: { message_lost: 2, table_full: 0, flow_lost: 0, dns_unfollowed: 0 },
  });
  const seen = await registry.registry.getSingleMetricAsString('seen_packets_total');
  expect(seen).toContain('seen_packets_total 21');
  const dropped = await registry.registry.getSingleMetricAsString('dropped_flows_total');
  expect(dropped).toContain('source="limiter",reason="full"} 2');
  expect(dropped).toContain('source="flow-fetcher",reason="CannotCreateFlowsHashMap"} 5');
  const losses = await registry.registry.getSingleMetricAsString('feature_losses_total');
  expect(losses).toContain('feature="dns",reason="query_unknown"} 3');
  const busy = await registry.registry.getSingleMetricAsString('busy_entries_total');
  expect(busy).toContain('busy_entries_total 6');
  const packets = await registry.registry.getSingleMetricAsString('unrecorded_packets_total');
  expect(packets).toContain('reason="not_ip"} 3');
  // Counters follow the kernel's totals and do not add them again.
  fates.refresh();
  expect(await registry.registry.getSingleMetricAsString('unrecorded_packets_total')).toBe(packets);
});

test('flows that a reader makes up come after those of the kernel, batch by batch', async () => {
  const calls: string[] = [];
  let left = 2;
  readers.push({
    prepare: async () => {
      calls.push('prepare');
    },
    decode: (_buffer, length) => calls.push(`decode ${length}`),
    makeFlows(buffer) {
      if (left === 0) return 0;
      writeFlow(flow(`10.9.0.${left}`), 0, buffer.keys, buffer.values);
      left--;
      return 1;
    },
    finish: () => calls.push('finish'),
  });
  kernel.record(flow('10.0.0.1'));
  await drainer.drain('');
  expect(emitted).toEqual(['10.0.0.1', '10.9.0.2', '10.9.0.1']);
  expect(calls).toEqual(['prepare', 'decode 1', 'decode 1', 'decode 1', 'finish']);
  expect(fates.view().recordedPackets).toBe(6);
});

test('accounting: what filter rules leave out, in the kernel and at the drain', async () => {
  const { rules } = parseFilterRules('action=Reject port=22; port=80');
  fates = new FateCounter(kernel, OBJECT, metrics, { rules });
  // Keeps the first of every three.
  const select = (_buffer: unknown, length: number): number => Math.ceil(length / 3);
  const reader = { select, decode: () => undefined };
  accounting = new Accounting(fates, metrics);
  const selecting = drainerWith({ fates, accounting, readers: [reader] });
  kernel.record(flow('10.0.0.1'), flow('10.0.0.2'), flow('10.0.0.3'));
  kernel.stats.set(stat.rejected, { packets: 5, bytes: 500 });
  kernel.stats.set(stat.unmatched, { packets: 7, bytes: 700 });
  kernel.stats.set(stat.mapFull, { packets: 1, bytes: 100 });
  await selecting.drain('asked');

  expect(emitted).toEqual(['10.0.0.1']);
  expect(fates.view()).toMatchObject({
    recordedPackets: 2,
    filteredPackets: 5 + 7 + 4,
    filteredBytes: 500 + 700 + 200,
  });
  const text = (): Promise<string> =>
    registry.registry.getSingleMetricAsString('filtered_flows_total');
  expect(await text()).toContain('reason="FilterReject"} 5');
  expect(await text()).toContain('reason="FilterNoMatch"} 11');
  expect(await text()).toContain('reason="FilterAccept"} 3');

  // Rules of another hook have wanted two of them. Metrics wait; the accounting is right at once.
  kernel.stats.set(stat.unmatched, { packets: 5, bytes: 500 });
  fates.refresh();
  expect(fates.view()).toMatchObject({ filteredPackets: 14, filteredBytes: 1200 });
  expect(await text()).toContain('reason="FilterNoMatch"} 11');
  kernel.stats.set(stat.unmatched, { packets: 8, bytes: 800 });
  fates.refresh();
  expect(await text()).toContain('reason="FilterNoMatch"} 12');
});

test('flows that a reader makes up are no matter of rules', async () => {
  let toMake = 1;
  readers.push({
    select: () => 0,
    decode: () => undefined,
    makeFlows({ keys, values, valueBytes }) {
      if (toMake === 0) return 0;
      writeFlow(flow('10.0.0.7'), 0, keys, values, valueBytes);
      return toMake--;
    },
  });
  kernel.record(flow('10.0.0.1'));
  await drainer.drain('asked');
  expect(emitted).toEqual(['10.0.0.7']);
});

test('a CPU may have taken back more than it counted', () => {
  fates = new FateCounter(kernel, OBJECT, metrics, { rules: parseFilterRules('port=80').rules });
  kernel.perCpu = [
    { packets: -3, bytes: -(2 ** 33) - 1 },
    { packets: 5, bytes: 2 ** 34 },
  ];
  fates.refresh();
  expect(fates.view()).toMatchObject({ filteredPackets: 4, filteredBytes: 2 ** 34 - 2 });
});

test('what was counted before the start is nobody’s', () => {
  kernel.stats.set(stat.notIp, { packets: 3, bytes: 180 });
  const late = new FateCounter(kernel, OBJECT, metrics);
  kernel.stats.set(stat.notIp, { packets: 5, bytes: 300 });

  late.refresh();

  expect(late.view().unrecorded.not_ip).toEqual({ packets: 2, bytes: 120 });
});

test('vital signs: fill of the maps and its high water, drain times, memory, missed runs', async () => {
  kernel.record(flow('10.0.0.1'), flow('10.0.0.2'), flow('10.0.0.3'));
  await drainer.drain('asked');
  kernel.misses = 4;
  kernel.record(flow('10.0.0.1'));
  await clock.advance(5000);
  await drainer.drain('asked');

  expect(vitals.view()).toMatchObject({
    mapEntries: 10,
    mapFill: 0.1,
    mapFillMax: 0.3,
    bpfBytes: 3000 + 4000 + 5000,
    probeMisses: 4,
  });
  const fill = await registry.registry.getSingleMetricAsString('map_fill_ratio_max');
  expect(fill).toContain('map="flows_a"} 0.3');
  const misses = await registry.registry.getSingleMetricAsString('probe_misses_total');
  expect(misses).toContain('program="some_probe"} 4');
});
