import { expect, test } from 'vitest';
import type { FlowBatch } from '../../../../src/flow/batch.ts';
import { CoalescingInlet } from '../../../../src/pipeline/graph/coalesce.ts';
import type { BatchOutcome } from '../../../../src/pipeline/graph/pool.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { appendRows } from '../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../support/models/interpreter/setup.ts';

function setUp() {
  const { pipeline, stores } = testPipeline({
    pipeline: [{ name: 'a', follows: 'preset-ingester' }],
    parameters: [{ name: 'a', write: { type: 'store', store: { name: 'a' } } }],
  });
  const clock = new ManualClock();
  const inlet = new CoalescingInlet(pipeline, 20, clock);
  const outcomes: BatchOutcome[] = [];
  const batchOf = (rows: number, from = 0): FlowBatch => {
    const batch = inlet.take();
    appendRows(
      batch,
      Array.from({ length: rows }, (_, index) => ({ Bytes: from + index })),
    );
    return batch;
  };
  const emit = (rows: number, from = 0): boolean =>
    inlet.emit(batchOf(rows, from), (outcome) => outcomes.push(outcome));
  return { pipeline, stores, clock, inlet, emit, outcomes, batchOf };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

test('small batches wait for each other, no longer than asked, and settle one by one', async () => {
  const { pipeline, stores, clock, emit, outcomes } = setUp();
  await pipeline.start(new AbortController().signal);
  for (let i = 0; i < 50; i++) expect(emit(2, 2 * i)).toBe(true);
  await clock.advance(19);
  expect(stores.a.appends).toBe(0);
  await clock.advance(1);
  await settle();
  expect(stores.a.appends).toBe(1);
  expect(stores.a.rows.map(({ Bytes }) => Bytes)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(outcomes).toHaveLength(50);
  expect(clock.waiting).toBe(0);
  await pipeline.stop();
});

test('a batch that fills up is handed on at once; a large one behind what waited', async () => {
  const { pipeline, stores, clock, emit, inlet } = setUp();
  await pipeline.start(new AbortController().signal);
  for (let i = 0; i < 3; i++) emit(1000, 1000 * i);
  await settle();
  expect(stores.a.rows).toHaveLength(3000);
  emit(1, 3000);
  emit(4000, 3001);
  await settle();
  expect(stores.a.rows).toHaveLength(7001);
  expect(stores.a.rows.map(({ Bytes }) => Bytes)).toEqual(
    Array.from({ length: 7001 }, (_, i) => i),
  );
  emit(1, 7001);
  inlet.flush();
  await settle();
  expect(stores.a.rows).toHaveLength(7002);
  expect(clock.waiting).toBe(0);
  await pipeline.stop();
});

test('what is copied goes back to the pool', async () => {
  const { pipeline, inlet, batchOf } = setUp();
  await pipeline.start(new AbortController().signal);
  inlet.emit(batchOf(1));
  const second = batchOf(1);
  inlet.emit(second);
  expect(inlet.take()).toBe(second);
  inlet.flush();
  await pipeline.stop();
});
