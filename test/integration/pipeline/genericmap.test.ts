import protobuf from 'protobufjs';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { GrpcClient } from '../../../src/net/grpc/client.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { freePort } from '../../support/processes/program.ts';

/** `ingest: genericmap`, with messages by the protocol's own description and by `write: grpc`. */

const SOON = { timeout: 20_000, interval: 20 } as const;
const { signal } = new AbortController();

// proto/genericmap.proto of flowlogs-pipeline; Any is part of protobuf.
const Flow = protobuf
  .parse(
    `syntax = "proto3";
    package genericmap;
    message Any { string type_url = 1; bytes value = 2; }
    message Flow { Any genericMap = 1; int32 later = 7; }`,
    { keepCase: true },
  )
  .root.lookupType('genericmap.Flow');

function message(value: string, more: Readonly<Record<string, unknown>> = {}): Uint8Array {
  const genericMap = { value: new TextEncoder().encode(value) };
  return Flow.encode(Flow.fromObject({ genericMap, ...more })).finish();
}

async function serve() {
  const port = await freePort();
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'genericmap', genericmap: { port, address: '127.0.0.1' } } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock },
  );
  await bed.pipeline.start(signal);
  onTestFinished(() => bed.pipeline.stop());
  return { ...bed, port, rows: () => bed.stores.a.rows };
}

function connect(port: number): GrpcClient {
  const client = new GrpcClient(
    {
      ...{ host: '127.0.0.1', port, tls: undefined, method: '/genericmap.Collector/Send' },
      ...{ callTimeoutMs: 10_000, messageBytesMax: 64 * 2 ** 20 },
      ...{ reconnectMs: 0, reconnectJitterMs: 0 },
    },
    { clock: systemClock, log: createLog('silent'), random: () => 0.5 },
  );
  client.open();
  onTestFinished(() => client.close());
  return client;
}

test('a flow in each message, whatever else the message has', async () => {
  const { port, rows } = await serve();
  const client = connect(port);
  await client.call(message('{"SrcAddr":"10.0.0.1","Bytes":7,"TimeReceived":1}'), signal);
  await client.call(message('{"Bytes":8}', { later: 5 }), signal);
  const typed = { genericMap: { type_url: 'x/y', value: Buffer.from('{"Bytes":9}') } };
  await client.call(Flow.encode(Flow.fromObject(typed)).finish(), signal);
  await expect.poll(() => rows().length, SOON).toBe(3);
  expect(rows()).toMatchObject([
    { SrcAddr: '10.0.0.1', Bytes: 7, TimeReceived: 1 },
    { Bytes: 8, TimeReceived: expect.any(Number) },
    { Bytes: 9 },
  ]);
});

test.each([
  ['cut', message('{"Bytes":1}').subarray(0, 9), 'ERR_CODEC_PROTOBUF_TRUNCATED'],
  ['empty', new Uint8Array(0), 'ERR_CODEC_JSON_SYNTAX'],
  ['not an object', message('[1]'), 'ERR_CODEC_JSON_NOT_OBJECT'],
])('a message that is %s is refused and counted', async (_name, damaged, code) => {
  const { port, rows, metrics } = await serve();
  const client = connect(port);
  await expect(client.call(damaged, signal)).rejects.toMatchObject({
    code: 'ERR_NET_GRPC_REFUSED',
    message: expect.stringContaining('INVALID_ARGUMENT'),
  });
  await client.call(message('{"Bytes":2}'), signal);
  await expect.poll(() => rows().map(({ Bytes }) => Bytes), SOON).toEqual([2]);
  const text = await metrics.registry.metrics();
  expect(text).toContain(`ingest_errors{stage="in",type="decode",code="${code}"} 1\n`);
});

test('all flows of a "write: grpc" arrive, each once', async () => {
  const { port, rows } = await serve();
  const flows = Array.from({ length: 500 }, (_, i) => ({
    ...{ SrcAddr: '2001:db8::1', DstAddr: '10.0.0.2', Bytes: i + 1, Proto: 6, TimeReceived: 5 },
    Interfaces: ['eth0'],
  }));
  const sender = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type: 'rows', rows: { batches: [flows] } } },
        {
          name: 'out',
          write: { type: 'grpc', grpc: { targetHost: '127.0.0.1', targetPort: port } },
        },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await sender.pipeline.start(signal);
  await sender.pipeline.stop();
  await expect.poll(() => rows().length, SOON).toBe(500);
  expect(rows().sort((a, b) => Number(a.Bytes) - Number(b.Bytes))).toEqual(flows);
});
