import { execFileSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { FlowBatch } from '../../../src/flow/batch.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { compilePipeline, type Pipeline } from '../../../src/pipeline/pipeline.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { createDuckdbStore, type DuckdbStore } from '../../../src/store/duckdb/root.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows } from '../../support/models/interpreter/rows.ts';
import { requireRoot } from '../../support/require.ts';
import { STORE_LAYOUT, temporaryFolder } from '../../support/store/duckdb-store.ts';

const START_MS = 1_795_000_000_000;

function joined(dataDir: string) {
  const tables = new TableSpace();
  const metrics = createMetrics('');
  const log = createLog('silent');
  const shared = { log, metrics, clock: systemClock, tables };
  const store = createDuckdbStore({ ...DUCKDB_DEFAULTS, dataDir }, shared);
  const pipeline = compilePipeline(
    {
      pipeline: [{ name: 'keep', follows: 'preset-ingester' }],
      parameters: [{ name: 'keep', write: { type: 'store', store: { name: 'duckdb' } } }],
    },
    { ...shared, source: STORE_LAYOUT.columns, stores: { duckdb: store } },
  );
  return { store, pipeline, tables, metrics };
}

function emit(pipeline: Pipeline, tables: TableSpace, count: number): void {
  const batch = new FlowBatch(STORE_LAYOUT, tables.current);
  appendRows(
    batch,
    Array.from({ length: count }, (_, index) => ({
      TimeFlowEndMs: START_MS + index,
      SrcK8S_Namespace: `a name that takes some space ${index}`.repeat(20),
    })),
  );
  pipeline.emit(batch);
}

/** The branch's own counters; the identity holds at any time. */
function books(pipeline: Pipeline) {
  const [branch] = pipeline.branches();
  const { in: arrived, written, filtered, dropped, inFlight } = branch!;
  const lost = Object.values(dropped).reduce((sum, rows) => sum + rows, 0);
  expect(written + filtered + lost + inFlight).toBe(arrived);
  return { arrived, written, dropped, inFlight };
}

async function settled(pipeline: Pipeline, store: DuckdbStore): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    books(pipeline);
    await new Promise(setImmediate);
    await store.flush().catch(() => undefined);
    if (books(pipeline).inFlight === 0) return;
  }
}

test('rows are in flight until they are durable', async () => {
  using folder = temporaryFolder();
  const { store, pipeline, tables } = joined(folder.path);
  await store.start(new AbortController().signal);
  await pipeline.start(new AbortController().signal);
  emit(pipeline, tables, 100);
  for (let turn = 0; turn < 20; turn++) {
    const { written, inFlight } = books(pipeline);
    expect(written + inFlight).toBe(100);
    expect(written).toBe(store.outcome().durable);
    await new Promise(setImmediate);
  }
  await settled(pipeline, store);
  expect(books(pipeline)).toMatchObject({ written: 100, inFlight: 0 });
  await pipeline.stop();
  await store.stop();
});

test.skipIf(requireRoot())('what a full disk loses is never counted as written', async () => {
  using folder = temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder.path]);
  try {
    const { store, pipeline, tables, metrics } = joined(folder.path);
    await store.start(new AbortController().signal);
    await pipeline.start(new AbortController().signal);
    emit(pipeline, tables, 10);
    await settled(pipeline, store);
    const filler = join(folder.path, 'filler');
    expect(() => writeFileSync(filler, Buffer.alloc(64 * 2 ** 20))).toThrow();
    for (let batch = 0; batch < 5; batch++) {
      emit(pipeline, tables, 4000);
      await settled(pipeline, store);
    }
    const full = books(pipeline);
    expect(full).toMatchObject({ arrived: 20_010, written: store.outcome().durable, inFlight: 0 });
    expect(full.dropped.write_failed).toBeGreaterThanOrEqual(4000);
    expect(store.readiness()).toMatchObject({ ok: false });
    truncateSync(filler, 0);
    emit(pipeline, tables, 5);
    await settled(pipeline, store);
    expect(store.readiness()).toEqual({ ok: true });
    await pipeline.stop();
    const { written, dropped } = books(pipeline);
    expect((await store.status()).rows).toBe(written);
    const samples = parseSamples(await metrics.registry.metrics());
    expect(samples.get('pipeline_branch_flows_total{branch="keep",outcome="written"}')).toBe(
      written,
    );
    expect(samples.get('pipeline_dropped_flows_total{branch="keep",reason="write_failed"}')).toBe(
      dropped.write_failed,
    );
    await store.stop();
  } finally {
    execFileSync('umount', ['-l', folder.path]);
  }
});

test('what cannot be appended because the store is closed is dropped', async () => {
  using folder = temporaryFolder();
  const { store, pipeline, tables } = joined(folder.path);
  await pipeline.start(new AbortController().signal);
  emit(pipeline, tables, 7);
  await settled(pipeline, store);
  expect(books(pipeline)).toMatchObject({ written: 0, dropped: { write_failed: 7 }, inFlight: 0 });
  await pipeline.stop();
});
