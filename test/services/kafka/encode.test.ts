import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { Broker, type Consumed, consumeAll, createTopic, PASSWORD, USER } from './broker.ts';

/** `encode: kafka` with a real broker: a consumer reads what the pipeline was given. */

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
  writeFileSync(join(broker.folder, 'user'), `${USER}\n`);
  writeFileSync(join(broker.folder, 'password'), PASSWORD);
});
afterAll(() => broker[Symbol.asyncDispose]());

const FLOWS = 3000;

function flow(index: number): Row {
  const [SrcAddr, DstAddr] = [`10.0.${(index % 50) >> 1}.1`, '192.0.2.1'];
  const isBack = index % 2 === 1;
  return {
    ...(isBack ? { SrcAddr: DstAddr, DstAddr: SrcAddr } : { SrcAddr, DstAddr }),
    ...{ Proto: 6, Etype: 0x0800, SrcPort: 1, DstPort: 443, Bytes: index + 1, Packets: 1 },
    ...{ Interfaces: ['eth0'], app: `app-${index}` },
  };
}

/** Sends rows through a pipeline; resolves to what it counted. */
async function send(options: Readonly<Record<string, unknown>>, rows: readonly Row[]) {
  const { pipeline } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'rows', rows: { batches: [rows] } } },
        { name: 'out', encode: { type: 'kafka', kafka: options } },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  await pipeline.stop();
  const [branch] = pipeline.branches();
  return branch!;
}

const rows = Array.from({ length: FLOWS }, (_, index) => flow(index));

function parsed(consumed: readonly Consumed[]): readonly Row[] {
  return consumed
    .map(({ value }) => JSON.parse(value.toString()) as Row)
    .sort((a, b) => Number(a.Bytes) - Number(b.Bytes));
}

test('each flow is a message of JSON; both directions of a conversation have one partition', async () => {
  await createTopic(broker, 'json', [1, 1, 1]);
  const branch = await send({ address: broker.plain, topic: 'json', batchSize: 100 }, rows);
  expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
  const consumed = await consumeAll(broker, 'json');
  expect(parsed(consumed)).toEqual(rows);
  const partitions = Map.groupBy(consumed, ({ value }) => {
    const { SrcAddr, DstAddr } = JSON.parse(value.toString()) as Row;
    return [SrcAddr, DstAddr].sort().join();
  });
  for (const own of partitions.values()) {
    expect(new Set(own.map(({ partition }) => partition)).size).toBe(1);
  }
  expect(new Set(consumed.map(({ partition }) => partition)).size).toBe(3);
});

describe('other ways', () => {
  test.each([
    ['compressed', { compression: 'zstd' }],
    ['acknowledged by the leader alone', { acks: 'leader' }],
    ['in small requests', { batchBytes: 2000 }],
    ['as flowlogs-pipeline would', { balancer: 'hash', writeTimeout: 1, readTimeout: 0.5 }],
  ])('%s', async (name, options) => {
    const topic = name.replaceAll(' ', '-');
    await createTopic(broker, topic, [1, 1]);
    await send({ address: broker.plain, topic, ...options }, rows.slice(0, 500));
    expect(parsed(await consumeAll(broker, topic))).toEqual(rows.slice(0, 500));
  });

  test('by TLS, with a name and a password', async () => {
    await createTopic(broker, 'sasl', [1]);
    const at = (file: string): string => join(broker.folder, file);
    const sasl = {
      type: 'scramSHA512',
      clientIDPath: at('user'),
      clientSecretPath: at('password'),
    };
    const tls = { caCertPath: at('ca.pem') };
    await send({ address: broker.sasl, topic: 'sasl', tls, sasl }, rows.slice(0, 10));
    expect(parsed(await consumeAll(broker, 'sasl'))).toEqual(rows.slice(0, 10));
  });

  test('as records of pbflow', async () => {
    await createTopic(broker, 'pb', [1]);
    await send({ address: broker.plain, topic: 'pb', format: 'protobuf' }, rows.slice(0, 10));
    const bytes = (await consumeAll(broker, 'pb')).map(({ value }) =>
      Number((PbRecord.decode(value) as unknown as { bytes: number }).bytes),
    );
    expect(bytes).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('flows without addresses are dealt out', async () => {
    await createTopic(broker, 'plain', [1, 1, 1]);
    const plain = Array.from({ length: 300 }, (_, index) => ({ Bytes: index + 1, site: 'a' }));
    await send({ address: broker.plain, topic: 'plain' }, plain);
    const consumed = await consumeAll(broker, 'plain');
    expect(parsed(consumed)).toEqual(plain);
    expect(new Set(consumed.map(({ partition }) => partition)).size).toBe(3);
  });
});

test.each([
  [{ address: 'kafka:port', topic: 'a' }, /encode\.kafka\.address: "kafka:port" is not a broker/],
  [
    { address: 'kafka', topic: 'a', tls: { userCertPath: 'x' } },
    /encode\.kafka\.tls: userCertPath and userKeyPath go together/,
  ],
])('%j', async (options, message) => {
  await expect(send(options, [])).rejects.toThrow(message);
});
