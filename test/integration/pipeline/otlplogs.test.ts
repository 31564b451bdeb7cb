import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import {
  attributesOf,
  decodeAnswer,
  decodeStatus,
  encodeLogs,
} from '../../support/codec/otlp-schema.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { grpcCalls, post } from '../../support/net/otlp-client.ts';
import { freePort } from '../../support/processes/program.ts';

/** `ingest: otlplogs`, with requests by the protocol's own description and by our encoder. */

const SOON = { timeout: 20_000, interval: 20 } as const;
const { signal } = new AbortController();
const MIB = 2 ** 20;
const JSON_TYPE = { 'content-type': 'application/json' };
const GZIP = { 'content-encoding': 'gzip' };

const folder = mkdtempSync(join(tmpdir(), 'netobserv-otlp-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (file: string): string => join(folder, file);
const pems = Object.fromEntries(
  ['server', 'client', 'stranger'].map((name) => {
    const pair = selfSigned();
    writeFileSync(at(`${name}.crt`), pair.cert);
    writeFileSync(at(`${name}.key`), pair.key);
    return [name, pair];
  }),
);

async function serve(options: Readonly<Record<string, unknown>> = {}, blocks = false) {
  const [grpcPort, httpPort] = await Promise.all([freePort(), freePort()]);
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in', ...(blocks ? { whenFull: 'block' as const } : {}) }],
      parameters: [
        { name: 'in', ingest: { type: 'otlplogs', otlplogs: { grpcPort, httpPort, ...options } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock, ...(blocks ? { queue: { rows: 8192 } } : {}) },
  );
  await bed.pipeline.start(signal);
  onTestFinished(() => bed.pipeline.stop());
  const rows = (): readonly Row[] =>
    bed.stores.a.rows.toSorted((a, b) => Number(a.Bytes) - Number(b.Bytes));
  const metric = async (line: string): Promise<boolean> =>
    (await bed.metrics.registry.metrics()).includes(`${line}\n`);
  return { ...bed, grpcPort, httpPort, rows, metric };
}

const flow = (Bytes: number, more: Row = {}): Row => ({
  ...{ SrcAddr: '10.0.0.1', DstAddr: '2001:db8::1', Bytes, TimeReceived: 5 },
  ...{ Interfaces: ['eth0', 'eth1'], app: `app-${Bytes % 7}`, deep: { er: [1, null, 'x'] } },
  ...more,
});
const log = (row: Row): object => ({ attributes: attributesOf(row), severityText: 'INFO' });
const logsOf = (from: number, count: number): Uint8Array =>
  encodeLogs(Array.from({ length: count }, (_, i) => log(flow(from + i))));
const NOT_FLOW = { body: { stringValue: 'GET /' } };

/** Sends a message by a protocol; resolves to the bytes of the answer. */
const SENDERS = {
  gRPC: ({ grpcPort }: { grpcPort: number }) => grpcCalls(grpcPort),
  'gRPC, gzip': ({ grpcPort }: { grpcPort: number }) => grpcCalls(grpcPort, { gzip: true }),
  HTTP:
    ({ httpPort }: { httpPort: number }) =>
    async (message: Uint8Array) => {
      const { status, body } = await post(httpPort, message);
      expect(status).toBe(200);
      return body;
    },
  'HTTP, gzip':
    ({ httpPort }: { httpPort: number }) =>
    async (message: Uint8Array) => {
      const { status, body } = await post(httpPort, gzipSync(message), GZIP);
      expect(status).toBe(200);
      return body;
    },
} as const;

describe.each(Object.entries(SENDERS))('%s', (_name, sender) => {
  test('flows of requests small and large arrive, each once, with unknown keys', async () => {
    const bed = await serve();
    const send = sender(bed);
    for (const message of [logsOf(1, 1), logsOf(2, 9), logsOf(11, 9000)]) {
      expect(decodeAnswer(await send(message))).toEqual({});
    }
    const expected = Array.from({ length: 9010 }, (_, i) => flow(i + 1));
    await expect.poll(() => bed.rows().length, SOON).toBe(expected.length);
    expect(bed.rows()).toEqual(expected);
    expect(await bed.metric('ingest_flows_processed{stage="in"} 9010')).toBe(true);
  });

  test('records that are no flows are left out and counted, and the sender learns of it', async () => {
    const bed = await serve();
    const records = [NOT_FLOW, log(flow(1)), NOT_FLOW, log(flow(2))];
    const answer = decodeAnswer(await sender(bed)(encodeLogs(records)));
    expect(answer).toMatchObject({
      partialSuccess: { rejected: 2, errorMessage: expect.stringContaining('no JSON: GET /') },
    });
    await expect.poll(() => bed.rows(), SOON).toEqual([flow(1), flow(2)]);
    const line = 'ingest_errors{stage="in",type="decode",code="ERR_CODEC_OTLP_NOT_FLOW"} 2';
    expect(await bed.metric(line)).toBe(true);
  });
});

test.each(['grpc', 'http'] as const)(
  'what "encode: otlplogs" sends by %s comes back equal',
  async (connectionType) => {
    const bed = await serve();
    const flows = Array.from({ length: 5000 }, (_, i) => flow(i + 1, { Flags: 0x10 }));
    const port = connectionType === 'grpc' ? bed.grpcPort : bed.httpPort;
    const sender = testPipeline(
      {
        pipeline: [{ name: 'out', follows: 'in' }],
        parameters: [
          {
            name: 'in',
            ingest: { type: 'rows', rows: { batches: [flows.slice(0, 2500), flows.slice(2500)] } },
          },
          {
            name: 'out',
            encode: {
              type: 'otlplogs',
              otlplogs: { address: '127.0.0.1', port, connectionType },
            },
          },
        ],
      },
      { types: WITH_TEST_STAGES, clock: systemClock },
    );
    await sender.pipeline.start(signal);
    await sender.pipeline.stop();
    expect(sender.pipeline.branches()[0]).toMatchObject({ in: 5000, written: 5000 });
    await expect.poll(() => bed.rows().length, SOON).toBe(5000);
    expect(bed.rows()).toEqual(flows);
  },
);

describe('JSON by HTTP', () => {
  const request = (records: readonly object[]): Uint8Array =>
    Buffer.from(JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: records }] }] }));

  test('flows arrive, and records that are no flows are reported', async () => {
    const { httpPort, rows } = await serve();
    const body = request([log(flow(1)), NOT_FLOW]);
    const first = await post(httpPort, gzipSync(body), { ...JSON_TYPE, ...GZIP });
    expect(first.status).toBe(200);
    expect(JSON.parse(first.body.toString())).toMatchObject({
      partialSuccess: { rejectedLogRecords: '1', errorMessage: expect.any(String) },
    });
    const typed = { 'content-type': 'application/json; charset=utf-8' };
    const second = await post(httpPort, request([log(flow(2))]), typed);
    expect(second.body.toString()).toBe('{}');
    expect(second.headers['content-type']).toBe('application/json');
    await expect.poll(rows, SOON).toEqual([flow(1), flow(2)]);
  });

  test('what is no such request is refused', async () => {
    const { httpPort } = await serve();
    const { status, body } = await post(httpPort, Buffer.from('{"resourceLogs":[1]}'), JSON_TYPE);
    expect(status).toBe(400);
    expect(JSON.parse(body.toString())).toEqual({
      ...{ code: 3, message: 'what has scopeLogs must be an object' },
    });
  });
});

test('a flow without a time of receipt gets it', async () => {
  const { httpPort, rows } = await serve();
  await post(httpPort, encodeLogs([log({ Bytes: 1 })]));
  await expect.poll(rows, SOON).toEqual([{ Bytes: 1, TimeReceived: expect.any(Number) }]);
});

test('a damaged request is refused as a whole, and counted', async () => {
  const { httpPort, grpcPort, rows, metric } = await serve();
  const message = logsOf(1, 9000);
  const damaged = message.subarray(0, message.length - 3);
  await expect(grpcCalls(grpcPort)(damaged)).rejects.toMatchObject({ code: 3 });
  const { status, body } = await post(httpPort, damaged);
  expect(status).toBe(400);
  expect(decodeStatus(body)).toMatchObject({ code: 3, message: expect.stringContaining('byte') });
  await post(httpPort, logsOf(1, 1));
  await expect.poll(rows, SOON).toEqual([flow(1)]);
  const line = 'ingest_errors{stage="in",type="decode",code="ERR_CODEC_PROTOBUF_TRUNCATED"} 2';
  expect(await metric(line)).toBe(true);
});

test('senders wait while the store is behind; too many are told when to try again', async () => {
  const { httpPort, grpcPort, rows, stores, metric } = await serve({ bufferLength: 2 }, true);
  const opened = Promise.withResolvers<void>();
  stores.a.gate = opened.promise;
  const call = grpcCalls(grpcPort);
  let arrived = 0;
  const busy: unknown[] = [];
  const outcomes = Array.from({ length: 8 }, async (_, i) => {
    const message = logsOf(i * 6000 + 1, 3000);
    await call(message).then(
      () => arrived++,
      (failure) => busy.push(failure),
    );
    const { status, headers, body } = await post(httpPort, message);
    if (status === 200) arrived++;
    else busy.push({ code: status, after: headers['retry-after'], status: decodeStatus(body) });
  });
  await expect.poll(() => busy.length, SOON).toBeGreaterThan(4);
  opened.resolve();
  await Promise.all(outcomes);
  const retry = {
    'type.googleapis.com/google.rpc.RetryInfo': { retryDelay: { seconds: 1, nanos: 0 } },
  };
  const message = expect.stringContaining('waiting for room');
  for (const failure of busy) {
    expect([
      { code: 14, message, status: { code: 14, message, details: retry } },
      { code: 503, after: '1', status: { code: 14, message, details: {} } },
    ]).toContainEqual(failure);
  }
  await expect.poll(() => rows().length, SOON).toBe(arrived * 3000);
  const line = `ingest_errors{stage="in",type="full",code="ERR_PIPELINE_BUSY"} ${busy.length}`;
  expect(await metric(line)).toBe(true);
});

describe('limits', () => {
  const bomb = gzipSync(Buffer.alloc(64 * MIB));

  test.each<[string, number, Uint8Array, Record<string, string>, object]>([
    ['a path of traces', 404, new Uint8Array(0), {}, { path: '/v1/traces' }],
    ['GET', 405, new Uint8Array(0), {}, { method: 'GET' }],
    ['a text', 415, Buffer.from('x'), { 'content-type': 'text/plain' }, {}],
    ['zstd', 400, Buffer.from('x'), { 'content-encoding': 'zstd' }, {}],
    ['no gzip', 400, Buffer.from('x'), GZIP, {}],
    ['a body of 17 MiB', 413, Buffer.alloc(17 * MIB), {}, {}],
    [
      '17 MiB of unknown length',
      413,
      Buffer.alloc(17 * MIB),
      { 'transfer-encoding': 'chunked' },
      {},
    ],
    ['a bomb', 413, bomb, GZIP, {}],
  ])('HTTP: %s is refused, and the next request is served', async (...row) => {
    const [, expected, sent, headers, more] = row;
    const { httpPort, rows } = await serve();
    const { status, body: answer } = await post(httpPort, sent, headers, more);
    expect(status).toBe(expected);
    expect(answer.length).toBeGreaterThan(0);
    expect((await post(httpPort, logsOf(1, 1))).status).toBe(200);
    await expect.poll(rows, SOON).toEqual([flow(1)]);
  });

  test('gRPC: a message of 17 MiB, packed or not, is refused, and the next is served', async () => {
    const { grpcPort, rows } = await serve();
    const big = Buffer.alloc(17 * MIB);
    await expect(grpcCalls(grpcPort)(big)).rejects.toMatchObject({ code: 8 });
    await expect(grpcCalls(grpcPort, { gzip: true })(big)).rejects.toMatchObject({ code: 8 });
    await grpcCalls(grpcPort)(logsOf(1, 1));
    await expect.poll(rows, SOON).toEqual([flow(1)]);
  });

  test('bodies that never end take a bounded amount of memory', async () => {
    const { httpPort } = await serve();
    const head = `POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: ${16 * MIB}\r\n\r\n`;
    const part = Buffer.alloc(16 * MIB - 1);
    const answers: string[] = [];
    for (let i = 0; i < 18; i++) {
      const socket = connect(httpPort, 'localhost');
      onTestFinished(() => void socket.destroy());
      socket.on('data', (bytes: Buffer) => answers.push(bytes.toString('latin1')));
      socket.write(head);
      socket.write(part);
    }
    // 17 times 16 MiB are more than 256 MiB.
    await expect.poll(() => answers.length, SOON).toBeGreaterThan(0);
    expect(answers[0]).toMatch(/^HTTP\/1.1 503 .*\r\nRetry-After: 1\r\n/s);
  });
});

test('TLS: clients with a certificate of the authority, and no others', async () => {
  const { httpPort, grpcPort, rows } = await serve({
    ...{ certPath: at('server.crt'), keyPath: at('server.key'), clientCAPath: at('client.crt') },
  });
  const ca = pems.server!.cert;
  const client = { ca, ...pems.client! };
  await grpcCalls(grpcPort, { tls: client })(logsOf(1, 1));
  expect((await post(httpPort, logsOf(2, 1), {}, { tls: client })).status).toBe(200);
  for (const tls of [{ ca }, { ca, ...pems.stranger! }]) {
    await expect(grpcCalls(grpcPort, { tls })(logsOf(3, 1))).rejects.toMatchObject({ code: 14 });
    await expect(post(httpPort, logsOf(3, 1), {}, { tls })).rejects.toThrow();
  }
  const plain = await post(httpPort, logsOf(3, 1));
  expect(plain.status).toBe(400);
  expect(plain.body.toString()).toContain('takes HTTPS only');
  await expect.poll(rows, SOON).toEqual([flow(1), flow(2)]);
});

test.each([
  ['one port for both', { grpcPort: 5, httpPort: 5 }, 'grpcPort and httpPort must differ'],
  ['no port', { grpcPort: 0, httpPort: 0 }, 'nothing can arrive'],
  ['a certificate alone', { certPath: at('server.crt') }, 'certPath and keyPath go together'],
  ['no file', { certPath: at('no'), keyPath: at('no') }, 'no usable certificates and keys in'],
  [
    'no file, by HTTP alone',
    { grpcPort: 0, certPath: at('no'), keyPath: at('no') },
    'no usable certificates and keys in',
  ],
])('%s is refused', async (_what, options, message) => {
  await expect(serve(options)).rejects.toThrow(message);
});

test('a port that is taken', async () => {
  const { httpPort } = await serve();
  await expect(serve({ httpPort })).rejects.toThrow(`cannot listen on [::]:${httpPort}`);
});
