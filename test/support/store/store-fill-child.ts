import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { setFirstBits } from '../../../src/flow/bits.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../../src/store/duckdb/root.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { ManualClock } from '../manual-clock.ts';

/**
 * Keeps flows in the folder given as its argument, with a small budget, and prints the cost as
 * JSON: resident memory after each million, bytes, and the number of durable flows. Needs
 * `--expose-gc`: garbage of JavaScript varies by more than the growth that is looked for.
 */
const MILLIONS = 6;
const MILLION = 1_000_000;
const HOSTS = 5000;
const START_MS = 1_795_000_000_000;
const MIB = 1024 ** 2;

const tables = new TableSpace();
const clock = new ManualClock(START_MS);
const store = createDuckdbStore(
  {
    ...DUCKDB_DEFAULTS,
    dataDir: process.argv[2],
    memoryLimitBytes: 64 * MIB,
    // As in a day of many flows, but faster.
    renewRows: MILLION,
  },
  { log: createLog('silent'), metrics: createMetrics('child_'), clock, tables },
);
await store.start(new AbortController().signal);
const layout = new BatchLayout([
  { name: 'TimeFlowEndMs', kind: 'f64' },
  { name: 'SrcAddr', kind: 'addr' },
  { name: 'DstAddr', kind: 'addr' },
  { name: 'SrcPort', kind: 'u16' },
  { name: 'DstPort', kind: 'u16' },
  { name: 'Bytes', kind: 'f64' },
  { name: 'Packets', kind: 'f64' },
]);
const batch = new FlowBatch(layout, tables.current);
const addresses = Array.from({ length: HOSTS }, (_, index) =>
  tables.current.addresses.internText(`10.0.${index >> 8}.${index & 255}`),
);
batch.length = batch.capacity;
for (const { name, kind } of layout.columns) {
  if (kind !== 'addr') setFirstBits(batch.present(name), batch.length);
}
const residentBytes: number[] = [];
for (let from = 0; residentBytes.length < MILLIONS; from += batch.length) {
  fill(from);
  await store.append(batch);
  if (from + batch.length < (residentBytes.length + 1) * MILLION) continue;
  // Retention and renewal get their turn, and end before the flush.
  clock.now += 30_000;
  clock.tick();
  await store.flush();
  globalThis.gc!();
  residentBytes.push(process.memoryUsage.rss());
}
const durable = store.outcome().durable;
await store.stop();
process.stdout.write(JSON.stringify({ residentBytes, durable }));

function fill(from: number): void {
  for (let row = 0; row < batch.length; row++) {
    const mixed = Math.imul(from + row, 0x9e3779b1) >>> 0;
    batch.f64('TimeFlowEndMs')[row] = START_MS + from + row;
    batch.ids('SrcAddr')[row] = addresses[mixed % HOSTS]!;
    batch.ids('DstAddr')[row] = addresses[(mixed >>> 7) % HOSTS]!;
    batch.u16('SrcPort')[row] = mixed >>> 16;
    batch.u16('DstPort')[row] = mixed & 0xffff;
    batch.f64('Bytes')[row] = mixed % 1_000_003;
    batch.f64('Packets')[row] = mixed % 1009;
  }
}
