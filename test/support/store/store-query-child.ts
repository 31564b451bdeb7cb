import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { setFirstBits } from '../../../src/flow/bits.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { ANY, type MetricQuery } from '../../../src/query/ast.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../../src/store/duckdb/root.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

/**
 * Keeps a million flows of as many conversations in the folder given as its argument, requests
 * quantiles by conversation, complete and cancelled, and prints the cost as JSON: memory in bytes,
 * times in milliseconds.
 */
const FLOWS = 1_000_000;
const MEMORY_LIMIT_BYTES = 96 * 1024 ** 2;
const CANCELLED = 12;
const START_MS = 1_795_000_000_000;
const RANGE_MS = 3_600_000;

const folder = process.argv[2]!;
const tables = new TableSpace();
const store = createDuckdbStore(
  { ...DUCKDB_DEFAULTS, dataDir: folder, memoryLimitBytes: MEMORY_LIMIT_BYTES },
  { log: createLog('silent'), metrics: createMetrics('child_'), clock: systemClock, tables },
);
await store.start(new AbortController().signal);
await fill();
const query: MetricQuery = {
  range: { startMs: START_MS, endMs: START_MS + RANGE_MS },
  filter: ANY,
  packetLoss: 'all',
  type: 'Bytes',
  fn: 'p99',
  groupBy: ['SrcAddr', 'DstAddr', 'SrcPort', 'DstPort'],
  limit: 100,
  stepMs: RANGE_MS,
  rateIntervalMs: RANGE_MS,
};
const filled = process.memoryUsage.rss();
let peak = filled;
let spilled = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
  spilled = Math.max(spilled, spilledBytes());
}, 20);
const answer = await store.metrics(query, new AbortController().signal);
const once = process.memoryUsage.rss();
let slowestCancelMs = 0;
for (let turn = 0; turn < CANCELLED; turn++) {
  const controller = new AbortController();
  const asked = store.metrics(query, controller.signal).catch(() => undefined);
  await systemClock.sleep(100 * (turn + 1));
  const beganMs = performance.now();
  controller.abort(new Error('the client went away'));
  await asked;
  slowestCancelMs = Math.max(slowestCancelMs, performance.now() - beganMs);
}
clearInterval(watch);
const after = process.memoryUsage.rss();
await store.stop();
const series = answer.series.length;
process.stdout.write(
  JSON.stringify({ series, filled, peak, once, after, spilled, slowestCancelMs }),
);

async function fill(): Promise<void> {
  const layout = new BatchLayout([
    { name: 'TimeFlowEndMs', kind: 'f64' },
    { name: 'SrcAddr', kind: 'addr' },
    { name: 'DstAddr', kind: 'addr' },
    { name: 'SrcPort', kind: 'u16' },
    { name: 'DstPort', kind: 'u16' },
    { name: 'Bytes', kind: 'f64' },
  ]);
  const batch = new FlowBatch(layout, tables.current);
  const addresses = Array.from({ length: 5000 }, (_, index) =>
    tables.current.addresses.internText(`10.0.${index >> 8}.${index & 255}`),
  );
  batch.length = batch.capacity;
  for (const { name, kind } of layout.columns) {
    if (kind !== 'addr') setFirstBits(batch.present(name), batch.length);
  }
  for (let from = 0; from < FLOWS; from += batch.length) {
    for (let row = 0; row < batch.length; row++) {
      // Multiplied by odd constants: each flow is of a different conversation.
      const mixed = Math.imul(from + row, 0x9e3779b1) >>> 0;
      batch.f64('TimeFlowEndMs')[row] = START_MS + ((from + row) * RANGE_MS) / FLOWS / 2;
      batch.ids('SrcAddr')[row] = addresses[mixed % 5000]!;
      batch.ids('DstAddr')[row] = addresses[(mixed >>> 7) % 5000]!;
      batch.u16('SrcPort')[row] = mixed >>> 16;
      batch.u16('DstPort')[row] = mixed & 0xffff;
      batch.f64('Bytes')[row] = mixed % 1_000_003;
    }
    await store.append(batch);
  }
  await store.flush();
}

function spilledBytes(): number {
  const spill = join(folder, 'flows.duckdb.tmp');
  if (!existsSync(spill)) return 0;
  const sizes = readdirSync(spill).map(
    (name) => statSync(join(spill, name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
