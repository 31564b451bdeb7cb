import { createSocket, type Socket } from 'node:dgram';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { octets, v4 } from '../../support/codec/netflow-bytes.ts';
import {
  counterSample,
  flowSample,
  part,
  rawHeader,
  sflow,
  words,
} from '../../support/codec/sflow-bytes.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

/** A pipeline from UDP to a store. */
async function serve(options: Readonly<Record<string, unknown>> = {}, { blocks = false } = {}) {
  const port = await freePort();
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in', ...(blocks ? { whenFull: 'block' as const } : {}) }],
      parameters: [
        {
          name: 'in',
          ingest: { type: 'sflow', sflow: { hostName: '127.0.0.1', port, ...options } },
        },
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
  const ports = (): number[] => bed.stores.a.rows.map(({ SrcPort }) => Number(SrcPort));
  return { ...bed, port, ports, stop };
}

/** A socket of an agent. */
function agent(address = '127.0.0.1'): (datagram: Uint8Array, port: number) => Promise<void> {
  const socket: Socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  onTestFinished(() => void socket.close());
  return (datagram, port) =>
    new Promise((resolve, reject) => {
      socket.send(datagram, port, address, (error) => (error === null ? resolve() : reject(error)));
    });
}

/** A sample of a UDP packet that comes from this port. */
function sample(port: number): Buffer {
  const packet = Buffer.concat([
    octets([6, 0x0200_0000_0001], [6, 0x0200_0000_0002], [2, 0x0800]),
    octets([1, 0x45], [1, 0], [2, 72], [4, 0], [1, 64], [1, 17], [2, 0]),
    ...[v4('10.0.0.1'), v4('10.0.0.2'), octets([2, port], [2, 53], [2, 52], [2, 0])],
  ]);
  return flowSample({ rate: 1000 }, rawHeader(packet, 90));
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

test('samples become flows, each once, corrected by their rate', async () => {
  const { port, ports, stores, stop } = await serve();
  const send = agent();
  await send(sflow({ sequence: 1 }, sample(1), sample(2)), port);
  await send(sflow({ sequence: 2 }, sample(3)), port);
  await expect.poll(() => ports().sort(), SOON).toEqual([1, 2, 3]);
  const [row] = stores.a.rows;
  expect(row).toMatchObject({
    ...{ Type: 'SFLOW_5', SamplerAddress: '192.0.2.99', SrcAddr: '10.0.0.1', DstPort: 53 },
    ...{ Bytes: 90_000, Packets: 1000, SamplingRate: 1000 },
  });
  expect(Math.abs(Number(row!.TimeFlowEndMs) - Date.now())).toBeLessThan(60_000);
  const text = await stop();
  expect(text).toContain('ingest_flows_processed{stage="in"} 3\n');
  const labels = 'stage="in",exporter="127.0.0.1"';
  expect(text).toContain(`ingest_exporter_datagrams_total{${labels}} 2\n`);
  expect(text).toContain(`ingest_exporter_flows_total{${labels}} 3\n`);
  for (const name of ['missing', 'errors']) {
    expect(text).not.toContain(`ingest_exporter_${name}_total{`);
  }
  expect(text).not.toContain('ingest_sflow_skipped_total{');
});

test('samplingCorrection: false leaves a packet and its length', async () => {
  const { port, stores } = await serve({ samplingCorrection: false });
  await agent()(sflow({}, sample(1)), port);
  await expect.poll(() => stores.a.rows.length, SOON).toBe(1);
  expect(stores.a.rows[0]).toMatchObject({ Bytes: 90, Packets: 1, SamplingRate: 1000 });
});

test('thousands of datagrams, in order', async () => {
  const { port, ports, stop } = await serve({ sockets: 1, receiveBufferBytes: 200_000 });
  const send = agent();
  for (let from = 1; from <= 20_000; from += 10) {
    const samples = numbers(10).map((at) => sample(from + at - 1));
    await send(sflow({ sequence: (from - 1) / 10 }, ...samples), port);
    // The sender must not be faster than one turn of the receiver, in the same thread.
    if (from % 100 === 1) await new Promise(setImmediate);
  }
  await expect.poll(() => ports().length, SOON).toBe(20_000);
  expect(ports()).toEqual(numbers(20_000));
  expect(await stop()).not.toContain('ingest_exporter_missing_total{');
});

test('errors, gaps, lost samples and what is passed over are counted', async () => {
  const { port, ports, stop } = await serve();
  const send = agent();
  const withDrops = (drops: number): Buffer =>
    flowSample({ drops, source: [0, 9] }, part(1012, Buffer.alloc(4)));
  await send(octets([4, 4], [4, 0]), port);
  await send(sflow({ sequence: 10 }, sample(1), withDrops(100), part(2, words(1, 3, 0))), port);
  await send(sflow({ sequence: 14 }, sample(2), withDrops(105), part(5, Buffer.alloc(8))), port);
  await send(sflow({ sequence: 15 }, flowSample({}, rawHeader(Buffer.alloc(9), 99, 7))), port);
  await expect.poll(() => ports().length, SOON).toBe(5);
  const text = await stop();
  const labels = 'stage="in",exporter="127.0.0.1"';
  expect(text).toContain(`ingest_exporter_missing_total{${labels},unit="datagrams"} 3\n`);
  expect(text).toContain(
    `ingest_exporter_errors_total{${labels},code="ERR_CODEC_SFLOW_VERSION"} 1\n`,
  );
  expect(text).toContain(
    'ingest_errors{stage="in",type="decode",code="ERR_CODEC_SFLOW_VERSION"} 1\n',
  );
  expect(text).toContain('ingest_sflow_lost_samples_total{stage="in"} 5\n');
  for (const [kind, count] of Object.entries({ counters: 1, samples: 1, records: 2, headers: 1 })) {
    expect(text).toContain(`ingest_sflow_skipped_total{stage="in",kind="${kind}"} ${count}\n`);
  }
});

test('counters of interfaces become metrics', async () => {
  const { port, ports, stop } = await serve();
  const send = agent();
  const counters = (unicast: number): Buffer =>
    counterSample(3, [unicast * 100, unicast, 1, 1, 0, 0], [0, 0, 0, 0, 0, unicast]);
  await send(sflow({ sequence: 1 }, counters(1000)), port);
  await send(sflow({ sequence: 2 }, counters(1500), sample(1)), port);
  await expect.poll(() => ports().length, SOON).toBe(1);
  const text = await stop();
  const labels = 'stage="in",agent="192.0.2.99",ifindex="3"';
  for (const [name, direction, value] of [
    ...([
      ['octets', 'in', 50_000],
      ['packets', 'in', 500],
      ['errors', 'out', 500],
      ['discards', 'out', 0],
    ] as const),
  ]) {
    const series = `ingest_sflow_interface_${name}_total{${labels},direction="${direction}"}`;
    expect(text).toContain(`${series} ${value}\n`);
  }
  expect(text).not.toContain('ingest_sflow_skipped_total{');
});

test('while a branch that blocks is full, datagrams are lost and counted', async () => {
  const { port, ports, stores, stop } = await serve({}, { blocks: true });
  const opened = Promise.withResolvers<void>();
  stores.a.gate = opened.promise;
  const send = agent();
  const samples = numbers(100).map(sample);
  const sent = 400;
  for (let i = 0; i < sent; i++) {
    await send(sflow({ sequence: i }, ...samples), port);
    await new Promise(setImmediate);
  }
  opened.resolve();
  await vi.waitFor(() => expect(ports().length).toBeGreaterThan(0), SOON);
  const text = await stop();
  const lost = Number(
    /ingest_lost_datagrams_total\{stage="in",reason="full"\} (\d+)/.exec(text)?.[1],
  );
  expect(lost).toBeGreaterThan(100);
  expect(ports().length).toBe((sent - lost) * 100);
  // Nothing else is missing: the count of sequence numbers went on.
  expect(text).not.toContain('ingest_exporter_missing_total{');
});

test('several sockets', async () => {
  const { port, ports } = await serve({ sockets: 3 });
  // The kernel chooses a socket by the agent's port.
  for (let at = 1; at <= 12; at++) await agent()(sflow({}, sample(at)), port);
  await expect.poll(() => ports().sort((a, b) => a - b), SOON).toEqual(numbers(12));
});

test('IPv6 and IPv4 on one port', async () => {
  const { port, stores } = await serve({ hostName: '::' });
  await agent('::1')(sflow({ agent: undefined }, sample(1)), port);
  await agent('127.0.0.1')(sflow({ agent: undefined }, sample(2)), port);
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

test('a reload that asks for further columns: sequences go on', async () => {
  const port = await freePort();
  const config = (labels: readonly string[]) => ({
    pipeline: [{ name: 'out', follows: 'in' }],
    parameters: [
      { name: 'in', ingest: { type: 'sflow', sflow: { hostName: '127.0.0.1', port } } },
      {
        name: 'out',
        encode: { type: 'prom', prom: { metrics: [{ name: 'n', type: 'counter', labels }] } },
      },
    ],
  });
  const { pipeline, metrics } = testPipeline(config(['SrcAddr']), { clock: systemClock });
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const send = agent();
  const text = async (): Promise<string> => metrics.registry.metrics();
  await send(sflow({ sequence: 1 }, sample(1)), port);
  await expect.poll(text, SOON).toContain('n{SrcAddr="10.0.0.1"} 1\n');
  await pipeline.reload(config(['SrcAddr', 'SrcPort']));
  await send(sflow({ sequence: 5 }, sample(7)), port);
  await expect.poll(text, SOON).toContain('n{SrcAddr="10.0.0.1",SrcPort="7"} 1\n');
  await pipeline.stop();
  expect(await text()).toMatch(/ingest_exporter_missing_total\{.*exporter="127.0.0.1".*\} 3\n/);
});
