import { createSocket, type Socket } from 'node:dgram';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ipfix, octets, set, template, v4, v5, v9 } from '../../support/codec/netflow-bytes.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

/** A pipeline from UDP to a store. */
async function serve(
  options: Readonly<Record<string, unknown>> = {},
  { blocks = false, type = 'ipfix' } = {},
) {
  const port = await freePort();
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in', ...(blocks ? { whenFull: 'block' as const } : {}) }],
      parameters: [
        { name: 'in', ingest: { type, [type]: { hostName: '127.0.0.1', port, ...options } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock, ...(blocks ? { queue: { rows: 8192 } } : {}) },
  );
  await bed.pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<string> => {
    if (!isStopped) await bed.pipeline.stop();
    isStopped = true;
    return bed.metrics.registry.metrics();
  };
  onTestFinished(async () => void (await stop()));
  const bytes = (): number[] => bed.stores.a.rows.map(({ Bytes }) => Number(Bytes));
  return { ...bed, port: Number(options.port ?? port), bytes, stop };
}

/** A socket of an exporter. */
function exporter(address = '127.0.0.1'): (datagram: Uint8Array, port: number) => Promise<void> {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  onTestFinished(() => void socket.close());
  return (datagram, port) =>
    new Promise((resolve, reject) => {
      socket.send(datagram, port, address, (error) => (error === null ? resolve() : reject(error)));
    });
}

const FIELDS = [
  [8, 4],
  [12, 4],
  [1, 4],
] as const;
const record = (count: number): Buffer =>
  Buffer.concat([v4('192.0.2.1'), v4('192.0.2.2'), octets([4, count])]);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test('flows of all three protocols arrive, each once', async () => {
  const { port, bytes, stores, stop } = await serve();
  const send = exporter();
  await send(ipfix({}, set(2, template(256, FIELDS)), set(256, record(1), record(2))), port);
  await send(v9({}, set(0, template(256, FIELDS)), set(256, record(3))), port);
  const old = Buffer.alloc(48);
  old.writeUInt32BE(4, 20);
  await send(v5({}, old), port);
  await expect.poll(() => bytes().sort(), SOON).toEqual([1, 2, 3, 4]);
  const types = stores.a.rows.map(({ Type, SamplerAddress }) => `${Type} ${SamplerAddress}`);
  expect(types.sort()).toEqual([
    ...['IPFIX 127.0.0.1', 'IPFIX 127.0.0.1', 'NETFLOW_V5 127.0.0.1', 'NETFLOW_V9 127.0.0.1'],
  ]);
  expect(stores.a.rows[0]!.TimeReceived).toBeGreaterThan(1_700_000_000);
  const text = await stop();
  expect(text).toContain('ingest_flows_processed{stage="in"} 4\n');
  const labels = 'stage="in",exporter="127.0.0.1"';
  expect(text).toContain(`ingest_exporter_datagrams_total{${labels}} 3\n`);
  expect(text).toContain(`ingest_exporter_flows_total{${labels}} 4\n`);
  expect(text).toContain('ingest_templates{stage="in"} 2\n');
});

test('thousands of datagrams, in order', async () => {
  const { port, bytes, stop } = await serve({ sockets: 1, receiveBufferBytes: 200_000 });
  const send = exporter();
  await send(ipfix({}, set(2, template(256, FIELDS))), port);
  for (let from = 1; from <= 20_000; from += 10) {
    const records = numbers(10).map((at) => record(from + at - 1));
    await send(ipfix({ sequence: from - 1 }, set(256, ...records)), port);
    // The sender must not be faster than one turn of the receiver, in the same thread.
    if (from % 100 === 1) await new Promise(setImmediate);
  }
  await expect.poll(() => bytes().length, SOON).toBe(20_000);
  expect(bytes()).toEqual(numbers(20_000));
  expect(await stop()).not.toContain('ingest_exporter_missing_total{');
});

test('errors, gaps and unknown templates are counted by exporter', async () => {
  const { port, bytes, stop } = await serve();
  const send = exporter();
  await send(set(256, record(9)), port);
  await send(ipfix({ domain: 3 }, set(256, record(9))), port);
  await send(ipfix({ sequence: 10 }, set(2, template(256, FIELDS)), set(256, record(1))), port);
  await send(ipfix({ sequence: 16 }, set(256, record(2))), port);
  await expect.poll(bytes, SOON).toEqual([1, 2]);
  const text = await stop();
  const labels = 'stage="in",exporter="127.0.0.1"';
  expect(text).toContain(`ingest_exporter_unknown_templates_total{${labels}} 1\n`);
  expect(text).toContain(`ingest_exporter_missing_total{${labels},unit="flows"} 5\n`);
  expect(text).toContain(
    `ingest_exporter_errors_total{${labels},code="ERR_CODEC_NETFLOW_VERSION"} 1\n`,
  );
  expect(text).toContain(
    'ingest_errors{stage="in",type="decode",code="ERR_CODEC_NETFLOW_VERSION"} 1\n',
  );
});

test('while a branch that blocks is full, datagrams are lost and counted', async () => {
  const { port, bytes, stores, stop } = await serve({}, { blocks: true });
  const opened = Promise.withResolvers<void>();
  stores.a.gate = opened.promise;
  const send = exporter();
  await send(ipfix({}, set(2, template(256, FIELDS))), port);
  const records = numbers(100).map(record);
  const sent = 400;
  for (let i = 0; i < sent; i++) {
    await send(ipfix({ sequence: i * 100 }, set(256, ...records)), port);
    await new Promise(setImmediate);
  }
  opened.resolve();
  await vi.waitFor(() => expect(bytes().length).toBeGreaterThan(0), SOON);
  const text = await stop();
  const lost = Number(
    /ingest_lost_datagrams_total\{stage="in",reason="full"\} (\d+)/.exec(text)?.[1],
  );
  expect(lost).toBeGreaterThan(100);
  expect(bytes().length).toBe((sent - lost) * 100);
  // Nothing else is missing: the count of sequence numbers went on.
  expect(text).not.toContain('ingest_exporter_missing_total{');
});

test('mapping: fields of the reference and new keys', async () => {
  const { port, stores } = await serve({
    mapping: [
      { penprovided: true, pen: 9, field: 1, destination: 'CustomInteger_2', endianness: 'little' },
      { penprovided: true, pen: 9, field: 2, destination: 'CustomBytes_1' },
      { penprovided: true, pen: 9, field: 2, destination: 'Application', type: 'text' },
      { field: 85, destination: 'Bytes' },
      { field: 999, destination: 'Answer' },
    ],
  });
  const fields = template(256, [
    [1, 2, 9],
    [2, 4, 9],
    [85, 4],
    [999, 2],
  ]);
  const values = Buffer.concat([octets([2, 0x0102]), Buffer.from('http'), octets([4, 7], [2, 42])]);
  await exporter()(ipfix({}, set(2, fields), set(256, values)), port);
  await expect.poll(() => stores.a.rows.length, SOON).toBe(1);
  expect(stores.a.rows[0]).toMatchObject({
    ...{ CustomInteger_2: 0x0201, CustomBytes_1: 'aHR0cA==', Application: 'http' },
    ...{ Bytes: 7, Answer: 42 },
  });
});

test('samplingCorrection multiplies the counters', async () => {
  const { port, stores } = await serve({ samplingCorrection: true });
  const flow = Buffer.alloc(48);
  flow.writeUInt32BE(3, 16);
  flow.writeUInt32BE(300, 20);
  await exporter()(v5({ sampling: 100 }, flow), port);
  await expect.poll(() => stores.a.rows.length, SOON).toBe(1);
  expect(stores.a.rows[0]).toMatchObject({ Packets: 300, Bytes: 30_000, SamplingRate: 100 });
});

test('portLegacy, several sockets, workers, and the older name', async () => {
  const legacy = await freePort();
  const options = { portLegacy: legacy, sockets: 3, workers: 4 };
  const { port, bytes } = await serve(options, { type: 'collector' });
  // The kernel chooses a socket by the exporter's port.
  for (let at = 1; at <= 12; at++) {
    const flow = Buffer.alloc(48);
    flow.writeUInt32BE(at, 20);
    await exporter()(v5({}, flow), at % 2 === 0 ? port : legacy);
  }
  await expect.poll(() => bytes().sort((a, b) => a - b), SOON).toEqual(numbers(12));
});

test('IPv6 and IPv4 on one port', async () => {
  const { port, stores } = await serve({ hostName: '::' });
  await exporter('::1')(v5({}, Buffer.alloc(48)), port);
  await exporter('127.0.0.1')(v5({}, Buffer.alloc(48)), port);
  await expect.poll(() => stores.a.rows.length, SOON).toBe(2);
  const addresses = stores.a.rows.map(({ SamplerAddress }) => SamplerAddress);
  expect(addresses.sort()).toEqual(['127.0.0.1', '::1']);
});

test('a port that is taken', async () => {
  const { port } = await serve();
  await expect(serve({ port })).rejects.toMatchObject({
    code: 'ERR_NET_LISTEN',
    message: expect.stringContaining(`cannot receive UDP on 127.0.0.1:${port}`),
  });
});

test('a second port that is taken leaves the first one free', async () => {
  const { port: taken } = await serve();
  const free = await freePort();
  const ports = { port: free, portLegacy: taken };
  await expect(serve(ports)).rejects.toMatchObject({ code: 'ERR_NET_LISTEN' });
  const { port, bytes } = await serve({ port: free });
  expect(port).toBe(free);
  await exporter()(v5({}, Buffer.alloc(48)), free);
  await expect.poll(() => bytes().length, SOON).toBe(1);
});

test('a list cannot be filled', async () => {
  await expect(serve({ mapping: [{ field: 1, destination: 'AsPath' }] })).rejects.toMatchObject({
    code: 'ERR_PIPELINE_FIELD_KIND',
    message: expect.stringContaining('mapping[0].destination'),
  });
});

test('a reload that asks for further columns: templates are still known', async () => {
  const port = await freePort();
  const config = (labels: readonly string[]) => ({
    pipeline: [{ name: 'out', follows: 'in' }],
    parameters: [
      { name: 'in', ingest: { type: 'ipfix', ipfix: { hostName: '127.0.0.1', port } } },
      {
        name: 'out',
        encode: { type: 'prom', prom: { metrics: [{ name: 'n', type: 'counter', labels }] } },
      },
    ],
  });
  const { pipeline, metrics } = testPipeline(config(['SrcAddr']), { clock: systemClock });
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const send = exporter();
  const text = async (): Promise<string> => metrics.registry.metrics();
  const data = set(256, record(1));
  await send(ipfix({}, set(2, template(256, FIELDS)), data), port);
  await send(v9({}, set(0, template(256, FIELDS)), data), port);
  await expect.poll(text, SOON).toContain('n{SrcAddr="192.0.2.1"} 2\n');
  await pipeline.reload(config(['SrcAddr', 'DstAddr']));
  await send(ipfix({}, data), port);
  await send(v9({}, data), port);
  await expect.poll(text, SOON).toContain('n{SrcAddr="192.0.2.1",DstAddr="192.0.2.2"} 2\n');
});

test('a reload to another port: the old one is closed', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const config = (port: number) => ({
    pipeline: [{ name: 'out', follows: 'in' }],
    parameters: [
      { name: 'in', ingest: { type: 'ipfix', ipfix: { hostName: '127.0.0.1', port } } },
      { name: 'out', write: { type: 'store', store: { name: 'a' } } },
    ],
  });
  const { pipeline, stores } = testPipeline(config(first), { clock: systemClock });
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const send = exporter();
  await pipeline.reload(config(second));
  await send(ipfix({}, set(2, template(256, FIELDS)), set(256, record(1))), second);
  await expect.poll(() => stores.a.rows, SOON).toHaveLength(1);
  const again = createSocket('udp4');
  onTestFinished(() => void again.close());
  await new Promise<void>((resolve, reject) => {
    again.on('error', reject);
    again.bind(first, '127.0.0.1', resolve);
  });
});
