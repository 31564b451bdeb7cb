import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { DatagramMessage } from '../../support/codec/datagram-schema.ts';
import { ipfix, octets, set, template, v4, v5, v9 } from '../../support/codec/netflow-bytes.ts';
import { flowSample, rawHeader, sflow } from '../../support/codec/sflow-bytes.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';
import {
  Broker,
  consumeAll,
  countRecords,
  createTopic,
  produce,
  unacknowledged,
} from './broker.ts';

/**
 * `ingest: datagrams`, a real broker, and processors that decode later: what they store is what a
 * processor stores that got the same datagrams by UDP.
 */

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
});
afterAll(() => broker[Symbol.asyncDispose]());

const SOON = { timeout: 90_000, interval: 100 } as const;
const PARTITIONS = [1, 1, 1, 1, 1, 1];
const HOUR_MS = 3_600_000;

async function run(config: Parameters<typeof testPipeline>[0], clock = systemClock) {
  const bed = testPipeline(config, { clock });
  await bed.pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<string> => {
    if (!isStopped) await bed.pipeline.stop();
    isStopped = true;
    return bed.metrics.registry.metrics();
  };
  onTestFinished(async () => void (await stop()));
  return { ...bed, rows: bed.stores.a.rows, stop };
}

/** Flows of a source, in a store. */
function decoding(ingest: Readonly<Record<string, unknown>>) {
  return {
    pipeline: [{ name: 'out', follows: 'in', whenFull: 'block' as const }],
    parameters: [
      { name: 'in', ingest },
      { name: 'out', write: { type: 'store', store: { name: 'a' } } },
    ],
  };
}

type Protocol = 'ipfix' | 'sflow';

/** A processor that gets the datagrams by UDP. */
async function direct(type: Protocol) {
  const port = await freePort();
  const bed = await run(decoding({ type, [type]: { hostName: '127.0.0.1', port } }));
  return { ...bed, port };
}

async function inlet(topic: string) {
  const port = await freePort();
  const kafka = { address: broker.plain, topic, compression: 'lz4' };
  const datagrams = { hostName: '127.0.0.1', ports: [port], kafka };
  const bed = await run({
    pipeline: [{ name: 'carry' }],
    parameters: [{ name: 'carry', ingest: { type: 'datagrams', datagrams } }],
  });
  return { ...bed, port };
}

function topicOf(topic: string, more: object = {}) {
  return { brokers: [broker.plain], topic, groupid: topic, commitInterval: 100, ...more };
}

/** A processor whose clock is an hour late: times must be those of the inlet. */
async function processor(type: Protocol, topic: string) {
  const late = { ...systemClock, nowMs: () => systemClock.nowMs() + HOUR_MS };
  const bed = await run(decoding({ type, [type]: { kafka: topicOf(topic) } }), late);
  const isReady = () => expect.poll(() => bed.pipeline.troubles(), SOON).toEqual([]);
  return { ...bed, isReady };
}

/** A socket of an exporter with an address of its own. */
async function exporter(host: string): Promise<(datagram: Uint8Array, port: number) => void> {
  const socket: Socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  socket.bind(0, host);
  await once(socket, 'listening');
  return (datagram, port) => socket.send(datagram, port, '127.0.0.1');
}

const FIELDS = [
  [8, 4],
  [12, 4],
  [1, 4],
] as const;
const TEMPLATE = template(256, FIELDS);
const record = (count: number): Buffer =>
  Buffer.concat([v4('192.0.2.1'), v4('192.0.2.2'), octets([4, count])]);

/** A record of NetFlow 5 with these bytes. */
function record5(count: number): Buffer {
  const bytes = Buffer.alloc(48);
  bytes.writeUInt32BE(count, 20);
  return bytes;
}

/** A sample of a frame of this length. */
function sample(length: number): Buffer {
  const packet = Buffer.concat([
    octets([6, 0x0200_0000_0001], [6, 0x0200_0000_0002], [2, 0x0800]),
    octets([1, 0x45], [1, 0], [2, 72], [4, 0], [1, 64], [1, 17], [2, 0]),
    ...[v4('10.0.0.1'), v4('10.0.0.2'), octets([2, 53], [2, 53], [2, 52], [2, 0])],
  ]);
  return flowSample({ rate: 1 }, rawHeader(packet, length));
}

type Datagram = (sequence: number, first: number, isFirst: boolean) => Buffer;

/** Datagrams of two flows, whose numbers of bytes begin with `first`. */
const KINDS: Readonly<Record<string, Datagram>> = {
  ipfix: (sequence, first, hasTemplate) =>
    ipfix(
      { sequence: 2 * sequence },
      ...(hasTemplate ? [set(2, TEMPLATE)] : []),
      set(256, record(first), record(first + 1)),
    ),
  v9: (sequence, first, hasTemplate) =>
    v9(
      { sequence },
      ...(hasTemplate ? [set(0, TEMPLATE)] : []),
      set(256, record(first), record(first + 1)),
    ),
  v5: (sequence, first) => v5({ sequence: 2 * sequence }, record5(first), record5(first + 1)),
  sflow: (sequence, first) => sflow({ sequence }, sample(first), sample(first + 1)),
};

interface Exporter {
  readonly send: (datagram: Uint8Array, port: number) => void;
  readonly kind: Datagram;
  sent: number;
}

/** Exporters of several kinds, at addresses of their own. */
async function exportersOf(kinds: readonly string[], count: number): Promise<readonly Exporter[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      send: await exporter(`127.0.1.${index + 1}`),
      kind: KINDS[kinds[index % kinds.length]!]!,
      sent: 0,
    })),
  );
}

let flows = 0;

/** Sends datagrams of each exporter to all ports; `isRepeated`: each one brings its template. */
async function send(
  exporters: readonly Exporter[],
  rounds: number,
  ports: readonly number[],
  isRepeated = false,
): Promise<number> {
  for (let round = 0; round < rounds; round++) {
    for (const one of exporters) {
      const datagram = one.kind(one.sent, 1000 + flows, isRepeated || one.sent === 0);
      for (const port of ports) one.send(datagram, port);
      one.sent++;
      flows += 2;
    }
    // Receivers in this process have their turn.
    await systemClock.sleep(1);
  }
  return rounds * exporters.length * 2;
}

const RECEIVED = 'TimeReceived';

/** Rows by their bytes, without the time that differs between receivers. */
function comparable(rows: readonly Row[]): readonly Row[] {
  return rows
    .map(({ [RECEIVED]: _time, TimeFlowStartMs: _start, TimeFlowEndMs: _end, ...row }) => row)
    .toSorted((a, b) => Number(a.Bytes) - Number(b.Bytes));
}

test.each([
  ['NetFlow and IPFIX', 'ipfix', ['ipfix', 'v9', 'v5']],
  ['sFlow', 'sflow', ['sflow']],
] as const)(
  '%s: two members decode what one that gets it by UDP decodes, each exporter in one of them',
  async (_name, type, kinds) => {
    const topic = `two-${type}`;
    await createTopic(broker, topic, PARTITIONS);
    const by = await direct(type);
    const carry = await inlet(topic);
    const [first, second] = [await processor(type, topic), await processor(type, topic)];
    await first.isReady();
    await second.isReady();
    const exporters = await exportersOf(kinds, 24);
    const fromMs = Date.now();
    const sent = await send(exporters, 60, [by.port, carry.port]);
    await expect.poll(() => by.rows.length, SOON).toBe(sent);
    await expect.poll(() => first.rows.length + second.rows.length, SOON).toBe(sent);
    const untilMs = Date.now();

    expect(comparable([...first.rows, ...second.rows])).toEqual(comparable(by.rows));
    for (const row of [...first.rows, ...second.rows]) {
      expect(Number(row[RECEIVED])).toBeGreaterThanOrEqual(Math.floor(fromMs / 1000));
      expect(Number(row[RECEIVED])).toBeLessThanOrEqual(Math.ceil(untilMs / 1000));
      if (type !== 'sflow') continue;
      // A sample has no time but that of its arrival.
      expect(Number(row.TimeFlowEndMs)).toBeGreaterThanOrEqual(fromMs);
      expect(Number(row.TimeFlowEndMs)).toBeLessThanOrEqual(untilMs);
    }
    const metrics = await Promise.all([first.stop(), second.stop()]);
    const ownExporters = metrics.map(
      (text) =>
        new Set(Array.from(text.matchAll(/datagrams_total\{.*exporter="(.+?)"/g), ([, ip]) => ip)),
    );
    expect(ownExporters.map(({ size }) => size > 0)).toEqual([true, true]);
    expect([...ownExporters[0]!].filter((ip) => ownExporters[1]!.has(ip))).toEqual([]);
    for (const text of metrics) expect(text).not.toMatch(/missing_total\{.*\} [1-9]/);
    const text = await carry.stop();
    expect(text).toContain(`ingest_carried_datagrams_total{stage="carry"} ${sent / 2}\n`);
    expect(Math.max(...(await unacknowledged(broker, topic, topic)))).toBe(0);
  },
  300_000,
);

/** The program itself, which prints its flows. */
function startProcessor(topic: string): Program {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-datagrams-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'pipeline.json');
  const kafka = topicOf(topic, { batchMaxLen: 20, pullMaxBytes: 5000 });
  const config = {
    pipeline: [{ name: 'out', follows: 'in', whenFull: 'block' }],
    parameters: [
      { name: 'in', ingest: { type: 'ipfix', ipfix: { kafka } } },
      { name: 'out', write: { type: 'stdout', stdout: { format: 'json' } } },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  const program = startProgram(['processor', '--config', file]);
  onTestFinished(async () => void (await program.stop('SIGKILL')));
  return program;
}

/** Numbers of bytes of the flows that programs have printed whole. */
function printed(...programs: readonly Program[]): number[] {
  return programs.flatMap((program) =>
    Array.from(program.output().matchAll(/^\{.*"Bytes":(\d+).*\}$/gm), ([, bytes]) =>
      Number(bytes),
    ),
  );
}

test('a processor is killed and started again: every flow arrives, at least once', async () => {
  const topic = 'killed';
  await createTopic(broker, topic, PARTITIONS);
  const by = await direct('ipfix');
  const carry = await inlet(topic);
  const exporters = await exportersOf(['ipfix', 'v9', 'v5'], 12);
  const ports = [by.port, carry.port];
  let sent = await send(exporters, 20, ports, true);
  const first = startProcessor(topic);
  await expect.poll(() => printed(first).length, SOON).toBeGreaterThan(0);
  sent += await send(exporters, 300, ports, true);
  await first.stop('SIGKILL');
  const before = new Set(printed(first)).size;
  const second = startProcessor(topic);
  sent += await send(exporters, 20, ports, true);

  await expect.poll(() => by.rows.length, SOON).toBe(sent);
  const wanted = by.rows.map(({ Bytes }) => Number(Bytes)).toSorted((a, b) => a - b);
  const found = (): number[] => [...new Set(printed(first, second))].toSorted((a, b) => a - b);
  await expect.poll(() => found().length, { ...SOON, timeout: 150_000 }).toBe(sent);
  expect(found()).toEqual(wanted);
  // It was killed in the middle, and its work was not done again from the beginning.
  expect(before).toBeGreaterThan(0);
  expect(printed(second).length).toBeGreaterThanOrEqual(sent - before);
  await expect
    .poll(async () => Math.max(...(await unacknowledged(broker, topic, topic))), SOON)
    .toBe(0);
}, 400_000);

test('a broker that is away loses nothing, and messages are those of the published schema', async () => {
  const topic = 'away';
  await createTopic(broker, topic, PARTITIONS);
  const by = await direct('ipfix');
  const carry = await inlet(topic);
  const exporters = await exportersOf(['ipfix', 'v5'], 6);
  const ports = [by.port, carry.port];
  let sent = await send(exporters, 20, ports);
  await expect.poll(() => countRecords(broker, topic), SOON).toBe(sent / 2);
  await broker.kill();
  sent += await send(exporters, 20, ports);
  await expect
    .poll(() => carry.pipeline.troubles(), SOON)
    .toEqual([expect.stringContaining('carry: cannot deliver')]);
  await broker.restart();
  await expect.poll(() => carry.pipeline.troubles(), SOON).toEqual([]);
  await expect.poll(() => countRecords(broker, topic), SOON).toBe(sent / 2);

  for (const { key, value, partition } of await consumeAll(broker, topic)) {
    const message = DatagramMessage.toObject(DatagramMessage.decode(value), { longs: Number });
    expect(message).toMatchObject({ version: 1, address: key, listen_port: carry.port });
    expect(key.subarray(10, 15)).toEqual(Buffer.of(0xff, 0xff, 127, 0, 1));
    expect(partition).toBeLessThan(PARTITIONS.length);
  }
  const late = await processor('ipfix', topic);
  await expect.poll(() => late.rows.length, SOON).toBe(sent);
  expect(comparable(late.rows)).toEqual(comparable(by.rows));
  const text = await carry.stop();
  expect(text).not.toMatch(/ingest_lost_datagrams_total\{.*\} [1-9]/);
}, 300_000);

test('messages that are not datagrams are counted, and passed over', async () => {
  const topic = 'strange';
  await createTopic(broker, topic, [1]);
  const whole = {
    ...{ version: 1, address: Buffer.of(192, 0, 2, 7), port: 1, received_ms: 1_700_000_000_000 },
    payload: KINDS.v5!(0, 1, false),
  };
  const message = (fields: object): Buffer =>
    Buffer.from(
      DatagramMessage.encode(DatagramMessage.fromObject({ ...whole, ...fields })).finish(),
    );
  await produce(broker, topic, [
    message({}),
    'nonsense',
    null,
    message({ version: 3 }),
    message({ address: Buffer.of(1) }),
    message({ payload: Buffer.of(1, 2, 3) }),
    message({ payload: KINDS.v5!(1, 3, false) }),
  ]);
  const { rows, stop } = await processor('ipfix', topic);
  await expect.poll(() => rows.length, SOON).toBe(4);
  await expect.poll(() => unacknowledged(broker, topic, topic), SOON).toEqual([0]);
  expect(rows.map(({ Bytes }) => Bytes)).toEqual([1, 2, 3, 4]);
  expect(rows[0]).toMatchObject({ SamplerAddress: '192.0.2.7', [RECEIVED]: 1_700_000_000 });
  const text = await stop();
  for (const [code, count] of [
    ['PIPELINE_MESSAGE_EMPTY', 1],
    ['CODEC_ENVELOPE_VERSION', 1],
    ['CODEC_ENVELOPE_FIELD', 1],
    ['CODEC_NETFLOW_VERSION', 1],
  ] as const) {
    expect(text).toContain(`ingest_errors{stage="in",type="decode",code="ERR_${code}"} ${count}\n`);
  }
  expect(text).toMatch(/code="ERR_CODEC_PROTOBUF_\w+"\} 1\n/);
});
