import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Exporter } from '../../../src/agent/export/exporter.ts';
import { createExporter } from '../../../src/agent/export/exporters.ts';
import { assert } from '../../../src/base/assert.ts';
import { systemClock, systemRandom } from '../../../src/base/clock.ts';
import { parseAddress } from '../../../src/base/ip.ts';
import { agentColumns } from '../../../src/flow/agent-columns.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow, type CoercionFailures, type Row } from '../../../src/flow/row.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';
import {
  Broker,
  type Consumed,
  consumeAll,
  countRecords,
  createTopic,
  leadersOf,
  PASSWORD,
  USER,
} from './broker.ts';

/** Flows through a real broker: a consumer reads what was sent, under the right key. */

const PARTITIONS = 3;
const FLOWS = 2500;

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
});
afterAll(() => broker[Symbol.asyncDispose]());

interface Sender {
  readonly exporter: Exporter;
  /** Sums a metric over the entries that have these labels. */
  value(name: string, labels?: Readonly<Record<string, string>>): Promise<number>;
}

async function sender(env: Readonly<Record<string, string>>): Promise<Sender> {
  const metrics = createMetrics('t_');
  const config = agentConfig({ EXPORT: 'kafka', KAFKA_BROKERS: broker.plain, ...env });
  const exporter = await createExporter(config, {
    log: pino({ level: 'silent' }),
    metrics,
    clock: systemClock,
    random: systemRandom,
    tables: new TableSpace(),
    columns: agentColumns(),
    stdout: process.stdout,
    delivery: { drainTimeoutMs: 3000 },
  });
  await exporter.start(new AbortController().signal);
  return {
    exporter,
    async value(name, labels = {}) {
      const metric = await metrics.registry.getSingleMetric(`t_${name}`)!.get();
      return metric.values
        .filter((entry) =>
          Object.entries(labels).every(([key, want]) => entry.labels[key] === want),
        )
        .reduce((sum, entry) => sum + entry.value, 0);
    },
  };
}

/** Flow `index`, identified by its number of bytes; pairs are both directions of a conversation. */
function flow(index: number): Row {
  const conversation = index >>> 1;
  const isV6 = conversation % 5 === 0;
  const [high, middle, low] = [16, 8, 0].map((shift) => (conversation >>> shift) & 255);
  const client = isV6
    ? `2001:db8::${conversation >>> 16}:${(conversation & 0xffff).toString(16)}:1`
    : `10.${high}.${middle}.${low}`;
  const server = isV6 ? '2001:db8:ffff::1' : '192.0.2.1';
  const [SrcAddr, DstAddr] = index % 2 === 0 ? [client, server] : [server, client];
  const Etype = isV6 ? 0x86dd : 0x0800;
  const times = { TimeFlowStartMs: 1_700_000_000_000, TimeFlowEndMs: 1_700_000_001_000 };
  const where = { Interfaces: ['eth0'], IfDirections: [index % 2], AgentIP: '10.0.0.1' };
  return {
    SrcAddr,
    DstAddr,
    Etype,
    Proto: 6,
    SrcPort: 1,
    DstPort: 2,
    Bytes: 1000 + index,
    Packets: 1,
    ...times,
    ...where,
  };
}

/** Hands flows `[from, to)` over as one batch; false: there was no room. */
function emit(exporter: Exporter, from: number, to: number): boolean {
  const batch = exporter.take();
  const failures: CoercionFailures = new Map();
  for (let index = from; index < to; index++) appendRow(batch, flow(index), failures);
  assert(failures.size === 0, 'flows have the values that they were given');
  return exporter.emit(batch);
}

const indexOf = ({ value }: Consumed): number =>
  Number((PbRecord.decode(value) as unknown as { bytes: number }).bytes) - 1000;

/** The expected key and partition of a flow, computed independently of the exporter. */
function placeOf(row: Row): { readonly key: string; readonly partition: number } {
  const ends = [row.SrcAddr, row.DstAddr].map((address) =>
    Buffer.from(parseAddress(String(address))!).toString('hex'),
  );
  const key = ends.sort().join('');
  let hash = 0x811c9dc5n;
  for (const byte of Buffer.from(key, 'hex'))
    hash = ((hash ^ BigInt(byte)) * 0x01000193n) % 2n ** 32n;
  const signed = BigInt.asIntN(32, hash);
  const rest = signed % BigInt(PARTITIONS);
  return { key, partition: Number(rest < 0n ? -rest : rest) };
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const byValue = (a: number, b: number): number => a - b;

describe.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('compression %s', (compression) => {
  test('a consumer gets every flow once, in its partition', async () => {
    const topic = `flows-${compression}`;
    const { exporter, value } = await sender({
      KAFKA_TOPIC: topic,
      KAFKA_COMPRESSION: compression,
      KAFKA_BATCH_MESSAGES: '300',
    });
    expect(emit(exporter, 0, FLOWS)).toBe(true);
    await exporter.stop();
    expect(await value('exporter_sent_flows_total')).toBe(FLOWS);
    expect(exporter.backlog()).toEqual({ flows: 0, packets: 0, bytes: 0 });

    const consumed = await consumeAll(broker, topic);
    expect(consumed.map(indexOf).sort(byValue)).toEqual(upTo(FLOWS));
    for (const record of consumed) {
      const wanted = placeOf(flow(indexOf(record)));
      expect({ key: record.key.toString('hex'), partition: record.partition }).toEqual(wanted);
    }
    expect(new Set(consumed.map(({ partition }) => partition)).size).toBe(PARTITIONS);
  });
});

test.each(['leader', 'none'])('acknowledged by %s: a consumer gets every flow', async (acks) => {
  const topic = `flows-acks-${acks}`;
  // A topic that is still being created refuses records, which `none` does not report.
  await createTopic(broker, topic);
  const { exporter } = await sender({ KAFKA_TOPIC: topic, KAFKA_ACKS: acks });
  expect(emit(exporter, 0, 1)).toBe(true);
  expect(emit(exporter, 1, FLOWS)).toBe(true);
  await exporter.stop();
  await expect.poll(() => countRecords(broker, topic), { timeout: 10_000 }).toBe(FLOWS);
  const consumed = await consumeAll(broker, topic);
  expect(consumed.map(indexOf).sort(byValue)).toEqual(upTo(FLOWS));
});

describe('TLS and passwords', () => {
  const file = (name: string, text: string): string => {
    const path = join(broker.folder, name);
    writeFileSync(path, text);
    return path;
  };
  const login = (password: string, type: string): Readonly<Record<string, string>> => ({
    KAFKA_BROKERS: broker.sasl,
    KAFKA_ENABLE_TLS: 'true',
    KAFKA_TLS_CA_CERT_PATH: join(broker.folder, 'ca.pem'),
    KAFKA_ENABLE_SASL: 'true',
    KAFKA_SASL_TYPE: type,
    KAFKA_SASL_CLIENT_ID_PATH: file(`user-${type}`, ` ${USER}\n`),
    KAFKA_SASL_CLIENT_SECRET_PATH: file(`password-${type}`, `${password}\n`),
  });
  const client = (): Readonly<Record<string, string>> => ({
    KAFKA_BROKERS: broker.tls,
    KAFKA_ENABLE_TLS: 'true',
    KAFKA_TLS_USER_CERT_PATH: join(broker.folder, 'client.pem'),
    KAFKA_TLS_USER_KEY_PATH: join(broker.folder, 'client.key'),
  });

  test.each<readonly [string, () => Readonly<Record<string, string>>]>([
    ['plain', () => login(PASSWORD, 'plain')],
    ['scram', () => login(PASSWORD, 'scramSHA512')],
    ['mutual', () => ({ ...client(), KAFKA_TLS_CA_CERT_PATH: join(broker.folder, 'ca.pem') })],
    ['unchecked', () => ({ ...client(), KAFKA_TLS_INSECURE_SKIP_VERIFY: 'true' })],
  ])('flows arrive: %s', async (name, env) => {
    const topic = `flows-${name}`;
    const { exporter } = await sender({ ...env(), KAFKA_TOPIC: topic });
    expect(emit(exporter, 0, 100)).toBe(true);
    await exporter.stop();
    expect((await consumeAll(broker, topic)).map(indexOf).sort(byValue)).toEqual(upTo(100));
  });

  test.each<readonly [string, () => Readonly<Record<string, string>>]>([
    ['a wrong password', () => login('wrong', 'scramSHA512')],
    ['a broker whose certificate nobody vouches for', client],
  ])('nothing is sent, and it is counted: %s', async (_why, env) => {
    const { exporter, value } = await sender({ ...env(), KAFKA_TOPIC: 'flows-refused' });
    expect(emit(exporter, 0, 100)).toBe(true);
    await expect.poll(() => value('errors_total'), { timeout: 30_000 }).toBeGreaterThan(0);
    expect(exporter.backlog().flows).toBe(100);
    // Waiting for the end does not mean waiting for the broker.
    await exporter.stop();
    expect(await value('exporter_sent_flows_total')).toBe(0);
    expect(await value('exporter_lost_flows_total', { reason: 'closing' })).toBe(100);
  });

  test('a password that is corrected is used without a restart', async () => {
    const { exporter, value } = await sender({
      ...login('wrong', 'scramSHA512'),
      KAFKA_TOPIC: 'flows-corrected',
    });
    expect(emit(exporter, 0, 100)).toBe(true);
    await expect.poll(() => value('errors_total'), { timeout: 30_000 }).toBeGreaterThan(0);
    file('password-scramSHA512', PASSWORD);
    await expect.poll(() => exporter.backlog().flows, { timeout: 60_000 }).toBe(0);
    await exporter.stop();
    expect(await consumeAll(broker, 'flows-corrected')).toHaveLength(100);
  });
});

describe('a broker that is not there all the time', () => {
  const BATCH = 500;

  test('is down when the agent starts: flows wait', async () => {
    await broker.kill();
    const { exporter } = await sender({ KAFKA_TOPIC: 'flows-late' });
    expect(emit(exporter, 0, BATCH)).toBe(true);
    await broker.restart();
    await expect.poll(() => exporter.backlog().flows, { timeout: 60_000 }).toBe(0);
    await exporter.stop();
    const consumed = await consumeAll(broker, 'flows-late');
    expect(consumed.map(indexOf).sort(byValue)).toEqual(upTo(BATCH));
  });

  test('is killed twice under load: what was taken arrives once, the rest is counted', async () => {
    const topic = 'flows-killed';
    await createTopic(broker, topic);
    const { exporter, value } = await sender({
      KAFKA_TOPIC: topic,
      KAFKA_COMPRESSION: 'lz4',
      // Few enough for the spool to fill while the broker is away.
      BUFFERS_LENGTH: '40',
    });
    let offered = 0;
    let slowestMs = 0;
    let awayMs = Number.POSITIVE_INFINITY;
    const taken: number[] = [];
    const load = new AbortController();
    const loading = (async (): Promise<void> => {
      while (!load.signal.aborted) {
        const from = offered;
        offered += BATCH;
        const startMs = performance.now();
        const isTaken = emit(exporter, from, offered);
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        if (isTaken) taken.push(...upTo(BATCH).map((index) => from + index));
        await systemClock.sleep(20);
      }
    })();
    const refused = (): number => offered - taken.length;
    for (let times = 0; times < 2; times++) {
      const before = await value('exporter_sent_flows_total');
      const hasSent = async (): Promise<boolean> =>
        (await value('exporter_sent_flows_total')) > before;
      await expect.poll(hasSent, { timeout: 60_000 }).toBe(true);
      const killedMs = performance.now();
      await broker.kill();
      const refusedBefore = refused();
      await expect.poll(refused, { timeout: 60_000 }).toBeGreaterThan(refusedBefore);
      await broker.restart();
      awayMs = Math.min(awayMs, performance.now() - killedMs);
    }
    await expect.poll(() => exporter.backlog().flows < 5 * BATCH, { timeout: 60_000 }).toBe(true);
    load.abort();
    await loading;
    await exporter.stop();

    const consumed = (await consumeAll(broker, topic)).map(indexOf);
    // Partitions do not fill and empty at the same pace: one may lose flows while others have room.
    const lost = await value('exporter_lost_flows_total', { reason: 'full' });
    expect(await value('exporter_lost_flows_total')).toBe(lost);
    const everTaken = new Set(taken);
    expect(consumed.filter((index) => !everTaken.has(index))).toEqual([]);
    expect(new Set(consumed).size).toBe(consumed.length);
    expect(consumed).toHaveLength(taken.length - lost);
    expect(await value('exporter_sent_flows_total')).toBe(taken.length - lost);
    expect(taken.length).toBeLessThan(offered);
    // A drain does not wait for a broker that is gone.
    expect(slowestMs).toBeLessThan(awayMs);
  });
});

test('a partition without a leader loses its own flows, and no others', async () => {
  await using second = await Broker.start(broker);
  const topic = 'flows-halved';
  const DEAD = 1;
  await createTopic(broker, topic, [1, 2, 1]);
  const env = { KAFKA_TOPIC: topic, BUFFERS_LENGTH: '4' };
  const senders = [await sender(env)];
  const isDead = (index: number): boolean => placeOf(flow(index)).partition === DEAD;
  let offered = 0;
  /** Hands over a batch to the newest exporter, and waits until all sendable flows are sent. */
  const sendBatch = async (): Promise<void> => {
    const { exporter, value } = senders.at(-1)!;
    const live = upTo(200).filter((index) => !isDead(offered + index)).length;
    const before = await value('exporter_sent_flows_total');
    expect(emit(exporter, offered, offered + 200)).toBe(true);
    offered += 200;
    const sent = async (): Promise<number> => (await value('exporter_sent_flows_total')) - before;
    await expect.poll(sent, { timeout: 15_000 }).toBeGreaterThanOrEqual(live);
  };
  await sendBatch();
  await expect.poll(() => senders[0]!.exporter.backlog().flows).toBe(0);

  await second.kill();
  await sendBatch();
  await expect.poll(() => leadersOf(broker, topic), { timeout: 15_000 }).toEqual([1, -1, 1]);
  await sendBatch();
  // A sender that has never seen another state of the topic, nor its number of partitions.
  senders.push(await sender(env));
  for (let times = 0; times < 6; times++) await sendBatch();
  const lost = await senders[1]!.value('exporter_lost_flows_total', { reason: 'full' });
  const waiting = upTo(offered - 600).filter((index) => isDead(600 + index)).length;
  expect(lost).toBeGreaterThan(0);
  expect(senders[1]!.exporter.backlog().flows).toBe(waiting - lost);

  await second.restart();
  for (const { exporter } of senders) {
    await expect.poll(() => exporter.backlog().flows, { timeout: 30_000 }).toBe(0);
    await exporter.stop();
  }
  const consumed = (await consumeAll(broker, topic)).map(indexOf).sort(byValue);
  expect(new Set(consumed).size).toBe(consumed.length);
  expect(consumed).toHaveLength(offered - lost);
});
