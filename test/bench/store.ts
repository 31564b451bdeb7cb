import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { BATCH_CAPACITY_ROWS, BatchLayout, type FlowBatch } from '../../src/flow/batch.ts';
import { setFirstBits } from '../../src/flow/bits.ts';
import { kindOf } from '../../src/flow/fields.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { ANY, type MetricQuery } from '../../src/query/ast.ts';
import { DUCKDB_DEFAULTS } from '../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../src/store/duckdb/root.ts';
import type { FlowStore } from '../../src/store/store.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { Figure } from './figure.ts';
import { pinnedBatches, random } from './flows.ts';

const FLOWS = 10_000_000;
/** Flows per hour, at the rate that gives the 10 million. */
const RANGE_MS = 3_600_000;
const START_MS = 1_795_000_000_000;
const REPEATS = 5;

/** The fields of each flow that `up` stores. */
const COLUMNS = [
  ...['TimeFlowStartMs', 'TimeFlowEndMs', 'TimeReceived', 'AgentIP', 'SrcAddr', 'DstAddr'],
  ...['SrcPort', 'DstPort', 'Proto', 'Etype', 'Dscp', 'Flags', 'IcmpType', 'IcmpCode'],
  ...['SrcMac', 'DstMac', 'Interfaces', 'IfDirections', 'FlowDirection', 'Bytes', 'Packets'],
  ...['Sampling', 'TimeFlowRttNs', 'DnsId', 'DnsLatencyMs', 'DnsFlagsResponseCode'],
  ...['SrcSubnetLabel', 'DstSubnetLabel', 'SrcService', 'DstService', 'Udns'],
];

function layoutOf(names: readonly string[]): BatchLayout {
  return new BatchLayout(names.map((name) => ({ name, kind: kindOf(name) ?? 'any' })));
}

/** Gives a batch the times and volumes of its turn; not measured. */
function restamp(batch: FlowBatch, startMs: number, spanMs: number, next: () => number): void {
  const starts = batch.f64('TimeFlowStartMs');
  const ends = batch.f64('TimeFlowEndMs');
  const received = batch.f64('TimeReceived');
  const bytes = batch.f64('Bytes');
  const packets = batch.f64('Packets');
  for (let row = 0; row < batch.length; row++) {
    // Flows of one drain end within the active timeout before it.
    const end = startMs + Math.floor(next() * spanMs) - Math.floor(next() * 5000);
    ends[row] = end;
    starts[row] = end - Math.floor(next() * 5000);
    received[row] = Math.floor(startMs / 1000);
    packets[row] = 1 + Math.floor(next() ** 4 * 200);
    bytes[row] = packets[row]! * (64 + Math.floor(next() * 1400));
  }
  for (const name of ['TimeFlowStartMs', 'TimeFlowEndMs', 'TimeReceived', 'Sampling']) {
    setFirstBits(batch.present(name), batch.length);
  }
}

interface Written {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly flows: number;
}

async function write(store: FlowStore, batches: readonly FlowBatch[]): Promise<Written> {
  const next = random(1);
  const spanMs = (RANGE_MS * BATCH_CAPACITY_ROWS) / FLOWS;
  let wallMs = 0;
  let cpuMicros = 0;
  let flows = 0;
  for (let turn = 0; flows < FLOWS; turn++) {
    const batch = batches[turn % batches.length]!;
    restamp(batch, START_MS + turn * spanMs, spanMs, next);
    const cpu = process.cpuUsage();
    const began = performance.now();
    await store.append(batch);
    wallMs += performance.now() - began;
    const used = process.cpuUsage(cpu);
    cpuMicros += used.user + used.system;
    flows += batch.length;
  }
  const cpu = process.cpuUsage();
  const began = performance.now();
  await store.flush();
  wallMs += performance.now() - began;
  const used = process.cpuUsage(cpu);
  return {
    wallSeconds: wallMs / 1000,
    cpuSeconds: (cpuMicros + used.user + used.system) / 1e6,
    flows,
  };
}

/** The queries of the overview page, over all rows. */
function overview(): readonly MetricQuery[] {
  const base = {
    range: { startMs: START_MS - 10_000, endMs: START_MS + RANGE_MS },
    filter: ANY,
    packetLoss: 'all' as const,
    stepMs: RANGE_MS / 60,
    rateIntervalMs: RANGE_MS / 30,
    limit: 5,
    type: 'Bytes',
    fn: 'rate' as const,
  };
  return [
    { ...base, groupBy: [] },
    { ...base, type: 'Packets', groupBy: [] },
    { ...base, groupBy: ['SrcAddr'] },
    { ...base, groupBy: ['DstService'] },
    { ...base, type: 'Flows', groupBy: ['Proto'] },
  ];
}

interface Timed {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

async function timeOverview(store: FlowStore): Promise<Timed> {
  const queries = overview();
  const { signal } = new AbortController();
  const times: Timed[] = [];
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const cpu = process.cpuUsage();
    const began = performance.now();
    const results = await Promise.all(queries.map((query) => store.metrics(query, signal)));
    const wallSeconds = (performance.now() - began) / 1000;
    const used = process.cpuUsage(cpu);
    times.push({ wallSeconds, cpuSeconds: (used.user + used.system) / 1e6 });
    if (results.some(({ series }) => series.length === 0)) throw new Error('an empty overview');
  }
  return times.sort((a, b) => a.wallSeconds - b.wallSeconds)[REPEATS >> 1]!;
}

export async function benchStore(): Promise<readonly Figure[]> {
  const dataDir = mkdtempSync(join(tmpdir(), 'netobserv-bench-store-'));
  const tables = new TableSpace();
  const store = createDuckdbStore(
    { ...DUCKDB_DEFAULTS, dataDir },
    { log: createLog('error'), metrics: createMetrics('bench_'), clock: systemClock, tables },
  );
  try {
    const batches = pinnedBatches(layoutOf(COLUMNS), tables.current);
    const idleBytes = process.memoryUsage.rss();
    await store.start(new AbortController().signal);
    const written = await write(store, batches);
    const writtenBytes = process.memoryUsage.rss();
    const asked = await timeOverview(store);
    const queriedBytes = process.memoryUsage.rss();
    await store.stop();
    const fileBytes = statSync(join(dataDir, 'flows.duckdb')).size;
    return [
      {
        name: 'DuckDB, flows written per second and core, 4096-row batches of 31 columns',
        value: written.flows / written.cpuSeconds,
        unit: 'flows/s/core',
        target: { min: 500_000 },
        note: `${Math.round(written.flows / written.wallSeconds)} flows/s of wall time on 2 threads`,
      },
      {
        name: 'DuckDB, bytes on disk per flow, dictionaries included',
        value: fileBytes / written.flows,
        unit: 'bytes',
        target: { max: 40 },
      },
      {
        name: 'DuckDB, overview (5 grouped time series over all rows) at 10 M flows',
        value: asked.wallSeconds,
        unit: 's',
        target: { max: 0.5 },
        note: `median of ${REPEATS}, two queries at a time; ${asked.cpuSeconds.toFixed(2)} s of CPU on 2 threads`,
      },
      {
        name: 'DuckDB, resident memory after writing 10 M flows at full speed',
        value: (writtenBytes - idleBytes) / 1e6,
        unit: 'MB above idle',
        note: `${Math.round((queriedBytes - idleBytes) / 1e6)} MB above idle after the overview`,
      },
    ];
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
