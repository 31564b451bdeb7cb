import { expect, test } from 'vitest';
import { NetobservError } from '../../../../src/base/errors.ts';
import { BATCH_CAPACITY_ROWS } from '../../../../src/flow/batch.ts';
import { SINK_FLUSH_INTERVAL_MS } from '../../../../src/pipeline/graph/batch-queue.ts';
import type { PipelineConfig } from '../../../../src/pipeline/options/graph.ts';
import { DRAIN_DEADLINE_MS, type Pipeline } from '../../../../src/pipeline/pipeline.ts';
import { errorRow } from '../../../support/error-row.ts';
import { parseSamples } from '../../../support/models/interpreter/prom.ts';
import { appendRows } from '../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../support/models/interpreter/setup.ts';

/** Alternating flows with Proto 6 and 17; the branch of `a` leaves UDP out. */
function fork(whenFull?: 'block'): PipelineConfig {
  const blocking = whenFull === undefined ? {} : { whenFull };
  return {
    pipeline: [
      { name: 'tcp', follows: 'preset-ingester' },
      { name: 'a', follows: 'tcp', ...blocking },
      { name: 'b', follows: 'preset-ingester' },
    ],
    parameters: [
      {
        name: 'tcp',
        transform: {
          type: 'filter',
          filter: {
            rules: [
              { type: 'remove_entry_if_not_equal', removeEntry: { input: 'Proto', value: 6 } },
            ],
          },
        },
      },
      { name: 'a', write: { type: 'store', store: { name: 'a' } } },
      { name: 'b', write: { type: 'store', store: { name: 'b' } } },
    ],
  };
}

function emitRows(pipeline: Pipeline, count: number): boolean {
  const batch = pipeline.take();
  appendRows(
    batch,
    Array.from({ length: count }, (_, index) => ({
      Proto: index % 2 === 0 ? 6 : 17,
      Bytes: index,
    })),
  );
  return pipeline.emit(batch);
}

function expectIdentity(pipeline: Pipeline): void {
  for (const status of pipeline.branches()) {
    const lost = Object.values(status.dropped).reduce((sum, rows) => sum + rows, 0);
    expect(status.written + status.filtered + lost + status.inFlight).toBe(status.in);
  }
}

/** Runs all due promises; nothing here waits for time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

const started = (pipeline: Pipeline) => pipeline.start(new AbortController().signal);

test('a hanging sink loses its own flows, counted, and nobody else’s', async () => {
  const { pipeline, stores, metrics } = testPipeline(fork(), { queue: { rows: 100 } });
  const hung = Promise.withResolvers<void>();
  stores.a.gate = hung.promise;
  await started(pipeline);
  for (let batch = 0; batch < 20; batch++) {
    expect(emitRows(pipeline, 20)).toBe(true);
    expectIdentity(pipeline);
    await settle();
    expectIdentity(pipeline);
  }
  const [a, b] = pipeline.branches();
  // The sink has one batch, ten more fill the queue of 100 rows, and nine found it full.
  expect(a).toEqual({
    name: 'a',
    in: 400,
    filtered: 200,
    written: 0,
    inFlight: 110,
    dropped: { queue_full: 90 },
  });
  expect(b).toMatchObject({ in: 400, written: 400, dropped: {}, inFlight: 0 });
  expect(stores.b.rows).toHaveLength(400);

  hung.resolve();
  await pipeline.stop();
  expectIdentity(pipeline);
  expect(pipeline.branches()[0]).toMatchObject({ written: 110, inFlight: 0 });
  // Later batches have not overwritten the waiting one.
  expect(stores.a.rows.map((row) => row.Bytes)).toEqual(
    Array.from({ length: 11 }, () => [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]).flat(),
  );
  const samples = parseSamples(await metrics.registry.metrics());
  expect(samples.get('pipeline_dropped_flows_total{branch="a",reason="queue_full"}')).toBe(90);
  expect(samples.get('pipeline_branch_flows_total{branch="a",outcome="written"}')).toBe(110);
});

test('a failing sink counts what it lost and goes on', async () => {
  const { pipeline, stores } = testPipeline(fork());
  await started(pipeline);
  stores.a.failure = new NetobservError(errorRow('ERR_TEST'), 'disk full');
  emitRows(pipeline, 10);
  await settle();
  stores.a.failure = undefined;
  emitRows(pipeline, 10);
  await pipeline.stop();
  expectIdentity(pipeline);
  expect(pipeline.branches()[0]).toMatchObject({ written: 5, dropped: { write_failed: 5 } });
});

test('the deadline of a stop counts what a hanging sink still has', async () => {
  const { pipeline, stores, clock } = testPipeline(fork());
  stores.a.gate = new Promise(() => undefined);
  await started(pipeline);
  for (let batch = 0; batch < 3; batch++) emitRows(pipeline, 10);
  const stopped = pipeline.stop();
  await settle();
  clock.jump(DRAIN_DEADLINE_MS);
  await stopped;
  expectIdentity(pipeline);
  const [a, b] = pipeline.branches();
  expect(a).toMatchObject({ written: 0, inFlight: 0, dropped: { shutdown: 15 } });
  expect(b).toMatchObject({ written: 30, dropped: {} });
  expect(stores.b.flushes).toBe(1);

  expect(emitRows(pipeline, 10)).toBe(false);
  expect(pipeline.branches()[1]).toMatchObject({ in: 40, dropped: { shutdown: 10 } });
  expectIdentity(pipeline);
});

test('a blocking branch makes a patient source wait and loses nothing', async () => {
  const { pipeline, stores } = testPipeline(fork('block'), {
    queue: { rows: BATCH_CAPACITY_ROWS },
  });
  const slow = Promise.withResolvers<void>();
  stores.a.gate = slow.promise;
  await started(pipeline);
  expect(pipeline.whenReady()).toBeUndefined();
  emitRows(pipeline, 10);
  expect(pipeline.whenReady()).toBeUndefined();
  emitRows(pipeline, 10);
  const ready = pipeline.whenReady();
  expect(ready).toBeInstanceOf(Promise);
  slow.resolve();
  await ready;
  emitRows(pipeline, 10);
  await pipeline.stop();
  expect(pipeline.branches()[0]).toMatchObject({ written: 15, dropped: {} });
});

test('a queue is bounded by bytes as well', async () => {
  const { pipeline, stores } = testPipeline(fork(), { queue: { bytes: 1 } });
  const slow = Promise.withResolvers<void>();
  stores.a.gate = slow.promise;
  await started(pipeline);
  for (let batch = 0; batch < 4; batch++) emitRows(pipeline, 2);
  // One is being written; one of any size is always taken.
  expect(pipeline.branches()[0]).toMatchObject({ inFlight: 2, dropped: { queue_full: 2 } });
  slow.resolve();
  await pipeline.stop();
});

test('sinks flush now and then, and only after they wrote', async () => {
  const { pipeline, stores, clock } = testPipeline(fork());
  await started(pipeline);
  clock.jump(SINK_FLUSH_INTERVAL_MS * 3);
  await settle();
  expect(stores.a.flushes).toBe(0);
  emitRows(pipeline, 2);
  await settle();
  clock.jump(SINK_FLUSH_INTERVAL_MS * 3);
  await settle();
  expect(stores.a.flushes).toBe(1);
  emitRows(pipeline, 2);
  await pipeline.stop();
  expect(stores.a.flushes).toBe(2);
  expect(stores.a.rows).toHaveLength(2);
});

test('small batches wait together: the queue counts rows, not capacity', async () => {
  const { pipeline, stores } = testPipeline(fork());
  const slow = Promise.withResolvers<void>();
  stores.b.gate = slow.promise;
  await started(pipeline);
  const outcomes: unknown[] = [];
  for (let batch = 0; batch < 1000; batch++) {
    const small = pipeline.take();
    appendRows(small, [
      { Proto: 17, Bytes: 2 * batch },
      { Proto: 17, Bytes: 2 * batch + 1 },
    ]);
    pipeline.emit(small, (outcome) => outcomes.push(outcome));
  }
  expect(pipeline.branches()[1]).toMatchObject({ inFlight: 2000, dropped: {} });
  expect(outcomes).toEqual([]);
  slow.resolve();
  await settle();
  // The first one alone, the others in one batch.
  expect(stores.b.appends).toBe(2);
  expect(outcomes).toEqual(Array.from({ length: 1000 }, () => ({ lost: 0 })));
  await pipeline.stop();
  expect(stores.b.rows.map((row) => row.Bytes)).toEqual(
    Array.from({ length: 2000 }, (_, index) => index),
  );
});

test('a source hears of a batch once, when every branch has settled its rows', async () => {
  const { pipeline, stores } = testPipeline(fork());
  const slow = Promise.withResolvers<void>();
  stores.a.gate = slow.promise;
  stores.b.failure = new NetobservError(errorRow('ERR_TEST'), 'disk full');
  await started(pipeline);
  const outcomes: unknown[] = [];
  const batch = pipeline.take();
  appendRows(batch, [{ Proto: 6 }, { Proto: 17 }, { Proto: 6 }]);
  pipeline.emit(batch, (outcome) => outcomes.push(outcome));
  await settle();
  expect(outcomes).toEqual([]);
  slow.resolve();
  await settle();
  expect(outcomes).toEqual([{ lost: 3 }]);
  await pipeline.stop();
  expect(outcomes).toHaveLength(1);

  const late = pipeline.take();
  appendRows(late, [{ Proto: 6 }]);
  pipeline.emit(late, (outcome) => outcomes.push(outcome));
  // Both branches have ended.
  expect(outcomes[1]).toEqual({ lost: 2 });
});
