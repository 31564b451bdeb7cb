import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { type InternTables, TableSpace } from '../../../src/flow/intern.ts';
import { DUCKDB_DEFAULTS, type DuckdbConfig } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore } from '../../../src/store/duckdb/root.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { appendRows, type Row } from '../models/interpreter/rows.ts';

/** One column of each kind, and those with special treatment in queries. */
export const STORE_LAYOUT = new BatchLayout([
  { name: 'TimeFlowStartMs', kind: 'f64' },
  { name: 'TimeFlowEndMs', kind: 'f64' },
  { name: 'SrcAddr', kind: 'addr' },
  { name: 'DstAddr', kind: 'addr' },
  { name: 'SrcPort', kind: 'u16' },
  { name: 'Initiator', kind: 'u8' },
  { name: 'DstPort', kind: 'u16' },
  { name: 'Proto', kind: 'u8' },
  { name: 'SrcMac', kind: 'mac' },
  { name: 'Bytes', kind: 'f64' },
  { name: 'Packets', kind: 'f64' },
  { name: 'PktDropPackets', kind: 'f64' },
  { name: 'TimeFlowRttNs', kind: 'f64' },
  { name: 'DnsId', kind: 'u16' },
  { name: 'Sampling', kind: 'u32' },
  { name: 'ProcessName', kind: 'str' },
  { name: 'TunnelType', kind: 'str' },
  { name: 'SrcK8S_Namespace', kind: 'str' },
  { name: 'DstK8S_Namespace', kind: 'str' },
  { name: 'Interfaces', kind: 'list<str>' },
  { name: 'IfDirections', kind: 'list<u32>' },
  { name: 'NetworkEvents', kind: 'any' },
]);

export interface TestStore extends AsyncDisposable {
  readonly store: FlowStore;
  readonly metrics: Metrics;
  readonly tables: TableSpace;
  append(rows: readonly Row[], layout?: BatchLayout): Promise<void>;
}

export function batchOf(
  rows: readonly Row[],
  tables: InternTables,
  layout: BatchLayout = STORE_LAYOUT,
): FlowBatch {
  const batch = new FlowBatch(layout, tables);
  appendRows(batch, rows);
  return batch;
}

/** A folder that is removed after the test. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'netobserv-store-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

export async function openStore(
  config: Partial<DuckdbConfig> = {},
  clock: Clock = systemClock,
): Promise<TestStore> {
  const tables = new TableSpace(1);
  const metrics = createMetrics('test_');
  const store = createDuckdbStore(
    { ...DUCKDB_DEFAULTS, ...config },
    { log: createLog('silent'), metrics, clock, tables },
  );
  await store.start(new AbortController().signal);
  let stopped = false;
  const stop = store.stop.bind(store);
  store.stop = async () => {
    stopped = true;
    await stop();
  };
  return {
    store,
    metrics,
    tables,
    async append(rows, layout) {
      await store.append(batchOf(rows, tables.current, layout));
      // Each batch has its own intern tables, so that values get several ids.
      tables.rotateIfFull();
    },
    async [Symbol.asyncDispose]() {
      if (!stopped) await store.stop();
    },
  };
}
