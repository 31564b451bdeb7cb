import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { flowRows } from '../../support/codec/pbflow-rows.ts';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { Broker, createTopic, PASSWORD, produce, USER, unacknowledged } from './broker.ts';

/** `ingest: kafka` with a real broker: what producers wrote is stored, and acknowledged then. */

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
  writeFileSync(join(broker.folder, 'user'), `${USER}\n`);
  writeFileSync(join(broker.folder, 'password'), PASSWORD);
});
afterAll(() => broker[Symbol.asyncDispose]());

const SOON = { timeout: 60_000, interval: 100 } as const;
const GROUP = 'processors';

/** A processor from a topic to a store. */
async function processor(topic: string, options: Readonly<Record<string, unknown>> = {}) {
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in', whenFull: 'block' }],
      parameters: [
        {
          name: 'in',
          ingest: {
            type: 'kafka',
            kafka: { brokers: [broker.plain], topic, groupid: GROUP, ...options },
          },
        },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (!isStopped) await bed.pipeline.stop();
    isStopped = true;
  };
  onTestFinished(stop);
  const { rows } = bed.stores.a;
  const has = (count: number) => expect.poll(() => rows.length, SOON).toBe(count);
  const isReady = () => expect.poll(() => bed.pipeline.troubles(), SOON).toEqual([]);
  return { ...bed, rows, has, isReady, stop };
}

/** Writes rows by `encode: kafka`. */
async function send(topic: string, rows: readonly Row[], options = {}): Promise<void> {
  const { pipeline } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'rows', rows: { batches: [rows] } } },
        {
          name: 'out',
          encode: { type: 'kafka', kafka: { address: broker.plain, topic, ...options } },
        },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  await pipeline.stop();
}

const sorted = (rows: readonly Row[]): readonly Row[] =>
  rows.toSorted((a, b) => Number(a.Bytes) - Number(b.Bytes));

const FORMATS = {
  json: (index: number) => JSON.stringify({ Bytes: index, SrcAddr: '10.0.0.1', site: 'a' }),
  protobuf: (index: number) =>
    Buffer.from(
      PbRecord.encode(
        PbRecord.fromObject({
          ...{ eth_protocol: 0x0800, bytes: index, packets: 1 },
          network: { src_addr: { ipv4: 0x0a000001 }, dst_addr: { ipv4: 0x0a000002 } },
        }),
      ).finish(),
    ),
} as const;

describe.each(['json', 'protobuf'] as const)('as %s', (type) => {
  test('members come and go, and the broker dies: every flow is stored and acknowledged', async () => {
    const topic = `changes-${type}`;
    await createTopic(broker, topic, [1, 1, 1, 1, 1, 1]);
    let sent = 0;
    const more = async (count: number): Promise<void> => {
      const values = Array.from({ length: count }, (_, index) => FORMATS[type](sent + index + 1));
      await produce(broker, topic, values);
      sent += count;
    };
    const options = {
      groupid: topic,
      decoder: { type },
      pullMaxBytes: 20_000,
      commitInterval: 100,
    };
    const first = await processor(topic, options);
    await more(10_000);
    // It joins while the first one reads.
    const second = await processor(topic, options);
    for (let round = 0; round < 10; round++) await more(1000);
    await second.isReady();
    await more(10_000);
    const stored = (): number => first.rows.length + second.rows.length;
    await expect.poll(() => second.rows.length, SOON).toBeGreaterThan(0);
    // It leaves while there is more to read.
    await more(5000);
    await first.stop();
    const third = await processor(topic, { ...options, groupBalancers: ['roundRobin', 'range'] });
    const all = (): number => stored() + third.rows.length;
    await more(5000);
    await expect.poll(all, SOON).toBe(sent);
    const distinct = (): number =>
      new Set([first, second, third].flatMap(({ rows }) => rows.map(({ Bytes }) => Bytes))).size;
    // Nothing was read twice so far: all divisions of the group have ended in time.
    expect(distinct()).toBe(sent);

    await more(5000);
    await broker.kill();
    await expect.poll(() => second.pipeline.troubles(), SOON).toHaveLength(1);
    await broker.restart();
    await more(5000);
    await expect.poll(distinct, { ...SOON, timeout: 110_000 }).toBe(50_000);
    await expect
      .poll(async () => Math.max(...(await unacknowledged(broker, topic, topic))), SOON)
      .toBe(0);
    expect(second.pipeline.troubles()).toEqual([]);
  }, 300_000);
});

describe('what encode: kafka writes', () => {
  const rows = fc.sample(flowRows(), { numRuns: 400, seed: 7 }).map((row, index) => ({
    ...row,
    Bytes: index + 1,
    TimeReceived: 1_700_000_000 + index,
    // A truth value is a number in the rows of these stores.
    ...('Duplicate' in row ? { Duplicate: 1 } : {}),
  }));

  /** JSON has whole milliseconds, as that of flowlogs-pipeline. */
  const wholeLatency = ({ DnsLatencyMs, ...row }: Row): Row =>
    DnsLatencyMs === undefined ? row : { ...row, DnsLatencyMs: Math.floor(Number(DnsLatencyMs)) };

  test('as JSON arrives field by field', async () => {
    await createTopic(broker, 'round-json', [1, 1]);
    const own: readonly Row[] = rows.map((row) => ({ ...row, site: 'north' }));
    await send('round-json', own, { compression: 'zstd' });
    const { rows: read, has } = await processor('round-json');
    await has(own.length);
    expect(sorted(read)).toEqual(own.map(wholeLatency));
  });

  test('as protobuf arrives field by field', async () => {
    await createTopic(broker, 'round-pb', [1, 1]);
    await send('round-pb', rows, { format: 'protobuf', compression: 'lz4' });
    const { rows: read, has } = await processor('round-pb', { decoder: { type: 'protobuf' } });
    await has(rows.length);
    const withoutTime = ({ TimeReceived: _received, ...row }: Row): Row => row;
    expect(sorted(read).map(withoutTime)).toEqual(rows.map(withoutTime));
  });
});

test('messages that are not flows are counted, and passed over', async () => {
  await createTopic(broker, 'bad', [1]);
  await produce(broker, 'bad', ['{"Bytes":1}', 'nonsense', null, '[]', '{"Bytes":2}']);
  const { rows, has, metrics, stop } = await processor('bad', { groupid: 'bad' });
  await has(2);
  await expect.poll(() => unacknowledged(broker, 'bad', 'bad'), SOON).toEqual([0]);
  await stop();
  expect(rows.map(({ Bytes }) => Bytes)).toEqual([1, 2]);
  const text = await metrics.registry.metrics();
  expect(text).toContain('ingest_kafka_lag_messages{stage="in",partition="0"} 0\n');
  for (const code of ['JSON_SYNTAX', 'JSON_NOT_OBJECT'].map((one) => `CODEC_${one}`)) {
    expect(text).toContain(`ingest_errors{stage="in",type="decode",code="ERR_${code}"} 1\n`);
  }
  expect(text).toContain('code="ERR_PIPELINE_MESSAGE_EMPTY"} 1\n');
});

test('what is on its way at the end is written first, then acknowledged', async () => {
  await createTopic(broker, 'end', [1]);
  await produce(
    broker,
    'end',
    Array.from({ length: 2000 }, (_, index) => `{"Bytes":${index}}`),
  );
  // Commits come only at the end.
  const first = await processor('end', {
    groupid: 'end',
    commitInterval: 600_000,
    batchMaxLen: 50,
  });
  await expect.poll(() => first.rows.length, SOON).toBeGreaterThan(0);
  await first.stop();
  const rest = await unacknowledged(broker, 'end', 'end');
  expect(rest).toEqual([2000 - first.rows.length]);
});

test('a store that stands still stops the reading, and the member stays in the group', async () => {
  await createTopic(broker, 'still', [1]);
  const second = Array.from({ length: 60_000 }, (_, index) => `{"Bytes":${index}}`);
  await produce(broker, 'still', second);
  const options = { groupid: 'still', batchMaxLen: 100, pullQueueCapacity: 5 };
  const { stores, rows, has, pipeline } = await processor('still', options);
  const gate = Promise.withResolvers<void>();
  stores.a.gate = gate.promise;
  await expect.poll(() => stores.a.appends, SOON).toBe(1);
  await systemClock.sleep(5000);
  expect(pipeline.branches()[0]!.in).toBeLessThanOrEqual(600);
  gate.resolve();
  await has(60_000);
  expect(new Set(rows.map(({ Bytes }) => Bytes)).size).toBe(60_000);
});

test('LastOffset begins with what comes from now on', async () => {
  await createTopic(broker, 'last', [1]);
  await produce(broker, 'last', ['{"Bytes":1}']);
  const options = { startOffset: 'LastOffset', groupid: 'last', batchReadTimeout: 100 };
  const { rows, has, isReady } = await processor('last', options);
  await isReady();
  await systemClock.sleep(1000);
  await produce(broker, 'last', ['{"Bytes":2}']);
  await has(1);
  expect(rows[0]!.Bytes).toBe(2);
});

test('by TLS, with a name and a password', async () => {
  await createTopic(broker, 'secret', [1]);
  await produce(broker, 'secret', ['{"Bytes":1}']);
  const at = (file: string): string => join(broker.folder, file);
  const { has } = await processor('secret', {
    brokers: [broker.sasl],
    tls: { caCertPath: at('ca.pem') },
    sasl: { type: 'scramSHA512', clientIDPath: at('user'), clientSecretPath: at('password') },
  });
  await has(1);
});

test('with the certificate of a client', async () => {
  await createTopic(broker, 'certified', [1]);
  await produce(broker, 'certified', ['{"Bytes":1}']);
  const at = (file: string): string => join(broker.folder, file);
  const { has } = await processor('certified', {
    brokers: [broker.tls],
    tls: {
      ...{ insecureSkipVerify: true, userCertPath: at('client.pem') },
      userKeyPath: at('client.key'),
    },
  });
  await has(1);
});

test('a topic that does not exist is waited for', async () => {
  const { has, pipeline, isReady } = await processor('later', { groupid: 'later' });
  await expect
    .poll(() => pipeline.troubles(), SOON)
    .toEqual([expect.stringContaining('cannot read from Kafka')]);
  await createTopic(broker, 'later', [1]);
  await isReady();
  await produce(broker, 'later', ['{"Bytes":1}']);
  await has(1);
});
