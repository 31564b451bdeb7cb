import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { GrpcClient } from '../../../src/net/grpc/client.ts';
import type { TlsFiles } from '../../../src/net/grpc/credentials.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { PbRecords } from '../../support/codec/pbflow-schema.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-ingest-'));
  for (const name of ['server', 'next', 'client', 'stranger']) {
    const { cert, key } = selfSigned();
    writeFileSync(join(folder, `${name}.crt`), cert);
    writeFileSync(join(folder, `${name}.key`), key);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

const at = (file: string): string => join(folder, file);

/** A pipeline from gRPC to a store. */
async function serve(options: Readonly<Record<string, unknown>> = {}, blocks = false) {
  const port = await freePort();
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in', ...(blocks ? { whenFull: 'block' as const } : {}) }],
      parameters: [
        { name: 'in', ingest: { type: 'grpc', grpc: { port, ...options } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock, ...(blocks ? { queue: { rows: 8192 } } : {}) },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const bytes = (): number[] => bed.stores.a.rows.map(({ Bytes }) => Number(Bytes));
  return { ...bed, port, bytes };
}

function connect(port: number, tls?: TlsFiles): GrpcClient {
  const client = new GrpcClient(
    {
      ...{ host: 'localhost', port, tls, method: '/pbflow.Collector/Send' },
      ...{ callTimeoutMs: 10_000, messageBytesMax: 64 * 2 ** 20 },
      ...{ reconnectMs: 0, reconnectJitterMs: 0 },
    },
    { clock: systemClock, log: createLog('silent'), random: () => 0.5 },
  );
  client.open();
  onTestFinished(() => client.close());
  return client;
}

const { signal } = new AbortController();

/** A message of flows that differ in their bytes, by protobufjs. */
function records(from: number, count: number): Uint8Array {
  const entries = Array.from({ length: count }, (_, index) => ({
    eth_protocol: 0x0800,
    network: { src_addr: { ipv4: 0x0a000001 }, dst_addr: { ipv4: 0x0a000002 }, dscp: 0 },
    transport: { src_port: 1, dst_port: 443, protocol: 6 },
    bytes: from + index,
    packets: 1,
    time_flow_end: { seconds: 1_700_000_000, nanos: 0 },
  }));
  return PbRecords.encode(PbRecords.fromObject({ entries })).finish();
}

function numbers(to: number): number[] {
  return Array.from({ length: to }, (_, index) => index + 1);
}

test('flows of messages small and large arrive, each once', async () => {
  const { port, bytes, stores, metrics } = await serve();
  const client = connect(port);
  for (let from = 1; from <= 1000; from += 10) await client.call(records(from, 10), signal);
  await client.call(records(1001, 9000), signal);
  await expect.poll(() => bytes().sort((a, b) => a - b), SOON).toEqual(numbers(10_000));
  expect(stores.a.rows[0]).toMatchObject({
    ...{ SrcAddr: '10.0.0.1', DstAddr: '10.0.0.2', SrcPort: 1, DstPort: 443, Proto: 6 },
    ...{ Etype: 0x0800, Packets: 1, TimeFlowEndMs: 1_700_000_000_000 },
  });
  const text = await metrics.registry.metrics();
  expect(text).toContain('ingest_flows_processed{stage="in"} 10000\n');
});

test('a reload that asks for further columns: the connection stays', async () => {
  const port = await freePort();
  const config = (labels: readonly string[]) => ({
    pipeline: [{ name: 'out', follows: 'in' }],
    parameters: [
      { name: 'in', ingest: { type: 'grpc', grpc: { port } } },
      {
        name: 'out',
        encode: { type: 'prom', prom: { metrics: [{ name: 'n', type: 'counter', labels }] } },
      },
    ],
  });
  const { pipeline, metrics } = testPipeline(config(['Proto']), { clock: systemClock });
  await pipeline.start(new AbortController().signal);
  onTestFinished(() => pipeline.stop());
  const client = connect(port);
  const text = async (): Promise<string> => metrics.registry.metrics();
  await client.call(records(1, 10), signal);
  await expect.poll(text, SOON).toContain('n{Proto="6"} 10\n');
  await pipeline.reload(config(['Proto', 'DstPort']));
  await client.call(records(1, 10), signal);
  await expect.poll(text, SOON).toContain('n{Proto="6",DstPort="443"} 10\n');
});

test('a damaged message is refused as a whole, and counted', async () => {
  const { port, bytes, metrics } = await serve();
  const client = connect(port);
  const whole = records(1, 9000);
  await expect(client.call(whole.subarray(0, whole.length - 3), signal)).rejects.toMatchObject({
    code: 'ERR_NET_GRPC_REFUSED',
    message: expect.stringContaining('INVALID_ARGUMENT'),
  });
  await client.call(records(1, 1), signal);
  await expect.poll(bytes, SOON).toEqual([1]);
  const text = await metrics.registry.metrics();
  expect(text).toContain(
    'ingest_errors{stage="in",type="decode",code="ERR_CODEC_PROTOBUF_TRUNCATED"} 1\n',
  );
});

test('senders wait while the store is behind, and too many are sent away', async () => {
  const { port, bytes, stores } = await serve({ bufferLength: 2 }, true);
  const opened = Promise.withResolvers<void>();
  stores.a.gate = opened.promise;
  const client = connect(port);
  const outcomes: string[] = [];
  const send = (from: number): Promise<void> =>
    client.call(records(from, 3000), signal).then(
      () => void outcomes.push('arrived'),
      (error: { code: string; retryable: boolean }) =>
        void outcomes.push(error.retryable ? 'again' : 'refused'),
    );
  const calls = Array.from({ length: 12 }, (_, index) => send(index * 3000 + 1));
  await expect.poll(() => outcomes.includes('again'), SOON).toBe(true);
  opened.resolve();
  await Promise.all(calls);
  expect(outcomes).not.toContain('refused');
  const arrived = outcomes.filter((outcome) => outcome === 'arrived').length;
  await expect.poll(() => bytes().length, SOON).toBe(arrived * 3000);
});

describe('TLS', () => {
  test('clients with a certificate of the authority, and no others', async () => {
    const { port, bytes } = await serve({
      ...{ certPath: at('server.crt'), keyPath: at('server.key') },
      clientCAPath: at('client.crt'),
    });
    const ca = { caPath: at('server.crt') };
    const as = (name: string): TlsFiles => ({
      ...ca,
      ...{ certPath: at(`${name}.crt`), keyPath: at(`${name}.key`) },
    });
    await connect(port, as('client')).call(records(1, 1), signal);
    for (const tls of [ca, as('stranger'), undefined]) {
      const stranger = connect(port, tls);
      await expect(stranger.call(records(2, 1), AbortSignal.timeout(2000))).rejects.toThrow();
    }
    await expect.poll(bytes, SOON).toEqual([1]);
  });

  test.each([
    ['a certificate alone', { certPath: 'server.crt' }, /certPath and keyPath go together/],
    ['an authority alone', { clientCAPath: 'client.crt' }, /certPath and keyPath go together/],
    [
      'a key of another certificate',
      { certPath: 'server.crt', keyPath: 'next.key' },
      /no usable certificates and keys in .*server\.crt, .*next\.key/,
    ],
    ['no such file', { certPath: 'server.crt', keyPath: 'none.key' }, /no usable certificates/],
  ])('%s', async (_why, files, message) => {
    const paths = Object.fromEntries(Object.entries(files).map(([key, file]) => [key, at(file)]));
    await expect(serve(paths)).rejects.toThrow(message);
  });

  test('a renewed certificate is used for new connections', async () => {
    copyFileSync(at('server.crt'), at('live.crt'));
    copyFileSync(at('server.key'), at('live.key'));
    const { port, bytes } = await serve({ certPath: at('live.crt'), keyPath: at('live.key') });
    await connect(port, { caPath: at('server.crt') }).call(records(1, 1), signal);
    copyFileSync(at('next.crt'), at('live.crt'));
    copyFileSync(at('next.key'), at('live.key'));
    const client = connect(port, { caPath: at('next.crt') });
    const tries = async (): Promise<boolean> =>
      client.call(records(2, 1), AbortSignal.timeout(1000)).then(
        () => true,
        () => false,
      );
    await expect.poll(tries, { timeout: 30_000, interval: 200 }).toBe(true);
    await expect.poll(bytes, SOON).toEqual([1, 2]);
  });
});

test('a port that is taken', async () => {
  const { port } = await serve();
  await expect(serve({ port })).rejects.toThrow(`cannot listen on [::]:${port}`);
});
