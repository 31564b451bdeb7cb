import { expect, test } from 'vitest';
import { sourcePipeline } from '../../../support/models/interpreter/source-pipeline.ts';

test('flows of so many connections come at the rate', async () => {
  const { pipeline, stores, clock, metrics } = sourcePipeline({
    type: 'synthetic',
    synthetic: { connections: 3, batchMaxLen: 10, flowLogsPerMin: 600 },
  });
  const startMs = clock.nowMs();
  await pipeline.start(new AbortController().signal);
  for (let second = 0; second < 10; second++) {
    clock.jump(1000);
    await new Promise(setImmediate);
  }
  await pipeline.stop();
  const { rows } = stores.a;
  expect(rows).toHaveLength(100);
  expect(rows[4]).toEqual({
    SrcAddr: '10.0.0.1',
    DstAddr: '11.1.1.1',
    SrcPort: 1234,
    DstPort: 8000,
    Proto: 6,
    Etype: 0x0800,
    Bytes: 100,
    Packets: 1,
    TimeFlowStartMs: startMs + 1000,
    TimeFlowEndMs: startMs + 1000,
    TimeReceived: Math.floor(startMs / 1000) + 1,
  });
  expect(new Set(rows.map(({ SrcAddr }) => SrcAddr)).size).toBe(3);
  expect(await metrics.registry.metrics()).toContain('ingest_flows_processed{stage="in"} 100\n');
});

test('high rates come in few batches', async () => {
  const { pipeline, stores, clock } = sourcePipeline({
    type: 'synthetic',
    synthetic: { connections: 50_000, batchMaxLen: 1, flowLogsPerMin: 60_000_000 },
  });
  await pipeline.start(new AbortController().signal);
  clock.jump(10);
  await new Promise(setImmediate);
  await pipeline.stop();
  expect(stores.a.rows).toHaveLength(10_000);
  expect(stores.a.rows[9999]).toMatchObject({ SrcAddr: '10.0.39.15' });
});
