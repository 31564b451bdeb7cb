import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';

interface StoredObject {
  readonly path: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
}

/** A server that stores what is put, after it has answered with `failures`. */
async function store(failures: readonly number[] = []) {
  const objects: StoredObject[] = [];
  const left = [...failures];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const failure = left.shift();
      const { url = '', headers, method } = request;
      expect(method).toBe('PUT');
      if (failure === undefined) objects.push({ path: url, headers, body: Buffer.concat(parts) });
      response.writeHead(failure ?? 200).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`, objects };
}

const RIGHT = {
  account: 'tenant-1',
  accessKeyId: 'AKID',
  secretAccessKey: 'secret',
  bucket: 'flows',
};

const rows: readonly Row[] = Array.from({ length: 2500 }, (_, index) => ({
  ...{ SrcAddr: '10.0.0.1', SrcPort: index, Bytes: index + 1, Packets: 1, DnsName: `"${index}"` },
}));

function pipelineTo(options: object) {
  return testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', encode: { type: 's3', s3: { ...RIGHT, ...options } } }],
    },
    { clock: systemClock, types: WITH_TEST_STAGES },
  );
}

/** Sends flows in batches of 700; resolves to the accounting of the branch. */
async function send(options: object, flows = rows) {
  const { pipeline } = pipelineTo(options);
  await pipeline.start(new AbortController().signal);
  for (let from = 0; from < flows.length; from += 700) {
    const batch = pipeline.take();
    appendRows(batch, flows.slice(from, from + 700));
    pipeline.emit(batch);
  }
  await pipeline.stop();
  return pipeline.branches()[0]!;
}

const isoSecond = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/** As the server got them, in the order of their names. */
function documents(objects: readonly StoredObject[]): readonly Readonly<Record<string, unknown>>[] {
  return objects
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ body }) => JSON.parse(body.toString()) as Readonly<Record<string, unknown>>);
}

const DATE = 'year%3D\\d{4}/month%3D\\d\\d/day%3D\\d\\d/hour%3D\\d\\d';
const STREAM = 'stream-id%3D[-\\dT]+%3A\\d\\d%3A\\d\\dZ';
const NAME = new RegExp(`^/flows/tenant-1/${DATE}/${STREAM}/(\\d{8})$`);

test('objects of batchSize flows, and one with the rest at the end', async () => {
  const { endpoint, objects } = await store();
  const objectHeaderParameters = { Version: 7, site: 'a/b' };
  const branch = await send({ endpoint, batchSize: 1000, objectHeaderParameters });
  expect(branch).toMatchObject({ in: 2500, written: 2500, dropped: {} });
  const found = documents(objects);
  expect(found.map((one) => one.number_of_flow_logs)).toEqual([1000, 1000, 500]);
  expect(found.flatMap((one) => one.flow_logs)).toEqual(rows);
  for (const one of found) {
    expect(one).toMatchObject({ Version: 7, site: 'a/b', version: 'v0.1' });
    expect(one.capture_start_time).toMatch(isoSecond);
    expect(one.capture_end_time).toMatch(isoSecond);
  }
  const names = objects.map(({ path }) => NAME.exec(path)?.[1]).sort();
  expect(names).toEqual(['00000000', '00000001', '00000002']);
});

test('lines of JSON, compressed', async () => {
  const { endpoint, objects } = await store();
  await send({ endpoint, batchSize: 2000, format: 'ndjson.gz' });
  const sorted = objects.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const lines = sorted.flatMap(({ body }) => gunzipSync(body).toString().trimEnd().split('\n'));
  expect(lines.map((line) => JSON.parse(line) as Row)).toEqual(rows);
  expect(sorted.map(({ path }) => path.endsWith('.ndjson.gz'))).toEqual([true, true]);
  expect(sorted[0]!.headers['content-encoding']).toBe('gzip');
});

test('few flows are written after writeTimeout, and nothing without flows', async () => {
  const { endpoint, objects } = await store();
  const { pipeline } = pipelineTo({ endpoint, batchSize: 1000, writeTimeout: '50ms' });
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, rows.slice(0, 3));
  pipeline.emit(batch);
  const written = (): number => pipeline.branches()[0]!.written;
  await expect.poll(written, { timeout: 10_000 }).toBe(3);
  await pipeline.stop();
  expect(objects).toHaveLength(1);
});

test('a busy server, and one that fails, get the object again', async () => {
  const { endpoint, objects } = await store([503, 500, 503]);
  const branch = await send({ endpoint, batchSize: 5000 });
  expect(branch).toMatchObject({ written: 2500, dropped: {} });
  expect(objects).toHaveLength(1);
});

test('flows of an object that the server refuses are lost, and counted', async () => {
  const { endpoint } = await store([403]);
  const branch = await send({ endpoint, batchSize: 2000 });
  expect(branch).toMatchObject({ written: 500, dropped: { refused: 2000 } });
});

describe('requests are signed', () => {
  const scope = (region: string): RegExp =>
    new RegExp(`^AWS4-HMAC-SHA256 Credential=AKID/\\d{8}/${region}/s3/aws4_request, `);

  test('for the region', async () => {
    const { endpoint, objects } = await store();
    await send({ endpoint, region: 'eu-west-3' }, rows.slice(0, 1));
    expect(objects[0]!.headers.authorization).toMatch(scope('eu-west-3'));
    expect(objects[0]!.headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
  });

  test('with the secret in a file, and with the next one once it is renewed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-s3-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const secretAccessKeyPath = join(folder, 'secret');
    writeFileSync(secretAccessKeyPath, 'first\n');
    const { endpoint, objects } = await store();
    const options = { endpoint, batchSize: 1, secretAccessKey: '', secretAccessKeyPath };
    const { pipeline } = pipelineTo(options);
    await pipeline.start(new AbortController().signal);
    onTestFinished(() => pipeline.stop());
    const one = async (): Promise<unknown> => {
      const before = objects.length;
      const batch = pipeline.take();
      appendRows(batch, rows.slice(0, 1));
      pipeline.emit(batch);
      await expect.poll(() => objects.length, { timeout: 10_000 }).toBe(before + 1);
      return objects.at(-1)!.headers.authorization;
    };
    const first = await one();
    writeFileSync(secretAccessKeyPath, 'second and longer\n');
    const second = await one();
    expect(first).toMatch(scope('us-east-1'));
    expect(second).toMatch(scope('us-east-1'));
    expect(String(second).split('Signature=')[1]).not.toBe(String(first).split('Signature=')[1]);
  });
});

test.each([
  [{ endpoint: 'http://host' }, /endpoint: "http:\/\/host" is not a host or host:port/],
  [{ endpoint: 'host/path' }, /endpoint/],
  [{ secretAccessKey: '' }, /one of secretAccessKey and secretAccessKeyPath is needed/],
  [{ secretAccessKeyPath: '/x' }, /one of secretAccessKey and secretAccessKeyPath is needed/],
  [{ batchSize: 0 }, /batchSize/],
  [{ format: 'orc' }, /format/],
])('%j is a mistake', async (options, message) => {
  await expect(send({ endpoint: 'host:9000', ...options })).rejects.toThrow(message);
});

test('TLS: certificates of the authority, unless all are accepted', async () => {
  await expect(
    send({ endpoint: 'host', secure: true, tls: { caCertPath: '/nowhere/ca.crt' } }),
  ).rejects.toThrow(/nowhere/);
});
