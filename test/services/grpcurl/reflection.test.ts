import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { serverFolder } from '../../../scripts/servers.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { PbRecord } from '../../support/codec/pbflow-schema.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

/** grpcurl knows nothing of our protocols but what servers tell it by reflection. */

const SOON = { timeout: 20_000, interval: 20 } as const;
const run = promisify(execFile);

async function serve(type: string) {
  const port = await freePort();
  const ports = type === 'otlplogs' ? { grpcPort: port, httpPort: 0 } : { port };
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest: { type, [type]: ports } },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  onTestFinished(() => bed.pipeline.stop());
  const grpcurl = async (options: readonly string[], ...args: readonly string[]) => {
    const command = [...options, '-plaintext', `localhost:${port}`, ...args];
    return (await run(join(serverFolder('grpcurl'), 'grpcurl'), command)).stdout;
  };
  return { grpcurl, rows: () => bed.stores.a.rows };
}

const LOGS = 'opentelemetry.proto.collector.logs.v1.LogsService';
const RECORD = {
  ...{ eth_protocol: 2048, direction: 'EGRESS', time_flow_end: '2026-01-02T03:04:05.5Z' },
  network: { src_addr: { ipv4: 0x0a000001 }, dst_addr: { ipv6: 'IAENuAAAAAAAAAAAAAAAAQ==' } },
  ...{ transport: { src_port: 1, dst_port: 443, protocol: 6 }, bytes: '5000000000', packets: '2' },
};
const LOG = { attributes: [{ key: 'Bytes', value: { intValue: '7' } }] };

test.each([
  ['grpc', 'pbflow.Collector', 'Send'],
  ['genericmap', 'genericmap.Collector', 'Send'],
  ['otlplogs', LOGS, 'Export'],
])('ingest: %s: the service is listed and described', async (type, service, method) => {
  const { grpcurl } = await serve(type);
  expect(await grpcurl([], 'list')).toBe(`${service}\n`);
  expect(await grpcurl([], 'list', service)).toBe(`${service}.${method}\n`);
  const text = await grpcurl([], 'describe', service);
  expect(text).toContain(`${service} is a service:`);
  expect(text).toMatch(new RegExp(`rpc ${method} \\( \\.[\\w.]+ \\) returns \\( \\.[\\w.]+ \\);`));
});

// Not genericmap: in the JSON of protobuf, its Any would need a type that grpcurl knows.
test.each([
  ['grpc', 'pbflow.Collector/Send', { entries: [RECORD] }, { Bytes: 5e9, SrcAddr: '10.0.0.1' }],
  [
    'otlplogs',
    `${LOGS}/Export`,
    { resourceLogs: [{ scopeLogs: [{ logRecords: [LOG] }] }] },
    { Bytes: 7 },
  ],
])('ingest: %s: a call that is made by the description arrives', async (...row) => {
  const [type, method, request, expected] = row;
  const { grpcurl, rows } = await serve(type);
  await grpcurl(['-d', JSON.stringify(request)], method);
  await expect.poll(() => rows(), SOON).toMatchObject([expected]);
});

test('fields of messages are described as the protocol has them', async () => {
  const { grpcurl } = await serve('grpc');
  const text = await grpcurl([], 'describe', 'pbflow.Record');
  const found = [...text.matchAll(/([\w.]+) (\w+) = (\d+);/g)].map(([, , name, number]) => [
    name,
    Number(number),
  ]);
  const known = PbRecord.fieldsArray.map(({ name, id }) => [name, id]);
  const byNumber = (a: (typeof known)[number], b: (typeof known)[number]): number =>
    Number(a[1]) - Number(b[1]);
  expect(found.toSorted(byNumber as never)).toEqual(known.toSorted(byNumber));
  expect(await grpcurl([], 'describe', 'pbflow.NetworkEvent')).toContain(
    'map<string, string> events = 1;',
  );
  expect(await grpcurl([], 'describe', 'pbflow.IP')).toMatch(/oneof ip_family \{/);
});

test('what is not there is an error of the client', async () => {
  const { grpcurl } = await serve('grpc');
  await expect(grpcurl([], 'describe', 'pbflow.Other')).rejects.toThrow(/not found|is not here/i);
});
