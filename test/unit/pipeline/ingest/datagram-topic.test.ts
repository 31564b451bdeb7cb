import { expect, test } from 'vitest';
import { parseAddress } from '../../../../src/base/ip.ts';
import { ByteBuffer } from '../../../../src/codec/byte-buffer.ts';
import { writeEnvelope } from '../../../../src/codec/exporters/envelope.ts';
import { readColumns } from '../../../../src/codec/netflow/elements-read.ts';
import { FlowReader, ROOM_MIN_ROWS } from '../../../../src/codec/netflow/flow-reader.ts';
import { BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { MessageTaker } from '../../../../src/net/kafka/consumer.ts';
import type { KafkaMessage } from '../../../../src/net/kafka/membership.ts';
import { DatagramTopicReader } from '../../../../src/pipeline/ingest/datagram-topic.ts';
import { createExporterMetrics } from '../../../../src/pipeline/ingest/exporters.ts';
import type { KafkaInput } from '../../../../src/pipeline/ingest/kafka-input.ts';
import { createPipelineMetrics } from '../../../../src/pipeline/metrics.ts';
import type { StageContext } from '../../../../src/pipeline/stage.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { v5 } from '../../../support/codec/netflow-bytes.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const CAPACITY_ROWS = 8;
/** Rows that the graph takes before its branch is full. */
const ROOM_BATCHES = 2;

/** A graph whose only branch is full after some batches, until these are settled. */
class NarrowInlet {
  readonly layout = new BatchLayout(readColumns());
  readonly decoded = [];
  readonly tables = new TableSpace();
  readonly taken = new Set<FlowBatch>();
  readonly settles: (() => void)[] = [];
  rows = 0;
  #room = Promise.withResolvers<void>();

  take(): FlowBatch {
    const batch = new FlowBatch(this.layout, this.tables.current, CAPACITY_ROWS);
    this.taken.add(batch);
    return batch;
  }

  emit(batch: FlowBatch, onSettled?: (outcome: { rows: number; lost: number }) => void): boolean {
    this.taken.delete(batch);
    if (this.settles.length === ROOM_BATCHES) throw new Error('a batch came without room');
    this.rows += batch.length;
    this.settles.push(() => onSettled?.({ rows: batch.length, lost: 0 }));
    return true;
  }

  recycle(batch: FlowBatch): void {
    this.taken.delete(batch);
  }

  whenReady(): Promise<void> | undefined {
    return this.settles.length < ROOM_BATCHES ? undefined : this.#room.promise;
  }

  settle(): void {
    for (const one of this.settles.splice(0)) one();
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }
}

async function bed() {
  const metrics = createMetrics('');
  const deps = { clock: new ManualClock(), log: createLog('silent'), metrics };
  const counts = createPipelineMetrics(metrics).countsOf('in');
  const context = { name: 'in', path: 'in', deps, counts } as unknown as StageContext;
  const inlet = new NarrowInlet();
  let taker: MessageTaker | undefined;
  const input = {
    start: async (given: MessageTaker) => {
      taker = given;
    },
    stop: () => undefined,
  } as unknown as KafkaInput;
  const reader = new DatagramTopicReader(input, inlet as never, context, {
    metrics: createExporterMetrics(metrics),
    hooks: {
      reader: (layout: BatchLayout, earlier: FlowReader | undefined) =>
        new FlowReader(layout, [], {}, earlier),
      roomRows: ROOM_MIN_ROWS,
    },
  });
  await reader.start();
  return { inlet, reader, taker: taker!, metrics };
}

/** Datagrams of four flows each. */
function messages(count: number): readonly KafkaMessage[] {
  const address = parseAddress('192.0.2.1')!;
  return Array.from({ length: count }, (_, index) => {
    const output = new ByteBuffer();
    const records = Array.from({ length: 4 }, () => Buffer.alloc(48, 1));
    const datagram = v5({ sequence: 4 * index }, ...records);
    writeEnvelope(output, datagram, { address, port: 1, receivedMs: 5000, listenPort: 2 });
    return { offset: String(index), value: output.bytes.slice(0, output.length) };
  });
}

test('it waits for a full branch, and acknowledges when the last batch is settled', async () => {
  const { inlet, taker, metrics } = await bed();
  let settled = 0;
  taker.take(messages(20), () => settled++);
  expect(taker.whenReady()).toBeDefined();
  for (let rows = 16; rows < 80; rows += 16) {
    await expect.poll(() => inlet.rows).toBe(rows);
    expect(settled).toBe(0);
    inlet.settle();
  }
  await expect.poll(() => inlet.rows).toBe(80);
  await expect.poll(() => inlet.taken.size).toBe(0);
  expect(settled).toBe(0);
  inlet.settle();
  expect(settled).toBe(1);
  await expect.poll(() => taker.whenReady()).toBeUndefined();
  expect(await metrics.registry.metrics()).not.toMatch(/missing_total\{.*\} [1-9]/);
});

test('what it has not passed on when it stops stays unacknowledged', async () => {
  const { inlet, reader, taker } = await bed();
  let settled = 0;
  taker.take(messages(20), () => settled++);
  await expect.poll(() => inlet.rows).toBe(16);
  await reader.stop();
  inlet.settle();
  expect(inlet.rows).toBe(16);
  expect(inlet.taken.size).toBe(0);
  expect(settled).toBe(0);
});

test('a piece without a datagram is acknowledged at once', async () => {
  const { inlet, taker } = await bed();
  let settled = 0;
  taker.take([{ offset: '0', value: null }], () => settled++);
  await expect.poll(() => settled).toBe(1);
  expect(inlet.rows).toBe(0);
});
