import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../../src/base/clock.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { seriesKey } from '../../support/codec/remote-write-schema.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import {
  remoteWriteReceiver,
  type WriteReceiver,
} from '../../support/net/remote-write-receiver.ts';

const BYTES = { name: 'bytes_total', type: 'counter', valueKey: 'Bytes', labels: ['DnsName'] };

function configOf(prom: object): PipelineConfig {
  return {
    pipeline: [{ name: 'out', follows: 'preset-ingester' }],
    parameters: [{ name: 'out', encode: { type: 'prom', prom: { metrics: [BYTES], ...prom } } }],
  };
}

/** A running pipeline with one stage, which is stopped by the test or at its end. */
async function started(prom: object, clock: Clock = systemClock) {
  const bed = testPipeline(configOf(prom), { clock });
  await bed.pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (!isStopped) await bed.pipeline.stop();
    isStopped = true;
  };
  onTestFinished(stop);
  return {
    stop,
    reload: (options: object) => bed.pipeline.reload(configOf(options)),
    emit(...rows: readonly Row[]) {
      const batch = bed.pipeline.take();
      appendRows(batch, rows);
      bed.pipeline.emit(batch);
    },
    counts: async () => parseSamples(await bed.metrics.registry.metrics()),
  };
}

const to = ({ url }: WriteReceiver, options: object = {}) => ({
  remoteWrite: { url, interval: '1h', ...options },
  expiryTime: '1h',
});

const ROWS = [
  { DnsName: 'a', Bytes: 5 },
  { DnsName: 'b', Bytes: 7 },
  { DnsName: 'a', Bytes: 1 },
];

async function lost(counts: () => Promise<ReadonlyMap<string, number>>) {
  const all = await counts();
  const reasons = [...all]
    .filter(([key, value]) => key.startsWith('remote_write_lost') && value > 0)
    .map(([key, value]) => [/reason="(\w+)"/.exec(key)![1], value]);
  return {
    made: all.get('remote_write_made_samples_total{stage="out"}'),
    sent: all.get('remote_write_samples_total{stage="out"}'),
    lost: Object.fromEntries(reasons),
  };
}

test('values at the end, after a zero; labels in order, with those of the sender; headers', async () => {
  const receiver = await remoteWriteReceiver();
  const headers = { 'X-Scope-OrgID': 'tenant-1' };
  const externalLabels = { instance: 'host-1', A: 'first' };
  const metrics = [
    BYTES,
    { name: 'last', type: 'gauge', valueKey: 'Bytes' },
    { name: 'size', type: 'histogram', valueKey: 'Bytes', buckets: [5, 6.5] },
  ];
  const { emit, stop, counts } = await started({
    ...to(receiver, { headers, externalLabels }),
    ...{ prefix: 'p_', metrics },
  });
  emit(...ROWS, { Bytes: 2 });
  await stop();
  const values = [...receiver.samples()].map(([key, own]) => [key, own.map(({ value }) => value)]);
  const tail = 'instance="host-1"}';
  expect(values).toEqual([
    [`p_bytes_total{A="first",DnsName="a",${tail}`, [0, 6]],
    [`p_bytes_total{A="first",DnsName="b",${tail}`, [0, 7]],
    [`p_bytes_total{A="first",${tail}`, [0, 2]],
    [`p_last{A="first",${tail}`, [2]],
    [`p_size_bucket{A="first",instance="host-1",le="5"}`, [0, 3]],
    [`p_size_bucket{A="first",instance="host-1",le="6.5"}`, [0, 3]],
    [`p_size_bucket{A="first",instance="host-1",le="+Inf"}`, [0, 4]],
    [`p_size_sum{A="first",${tail}`, [0, 15]],
    [`p_size_count{A="first",${tail}`, [0, 4]],
  ]);
  const [request] = receiver.requests;
  for (const { labels: own } of request!.series) {
    const names = own.map(({ name }) => name);
    expect(names).toEqual(names.toSorted());
  }
  expect(request!.path).toBe('/api/v1/write');
  expect(request!.headers).toMatchObject({
    'content-type': 'application/x-protobuf',
    'content-encoding': 'snappy',
    'x-prometheus-remote-write-version': '0.1.0',
    'x-scope-orgid': 'tenant-1',
  });
  expect(await lost(counts)).toEqual({ made: 17, sent: 17, lost: {} });
});

test('every interval: times increase, also when the clock is set back; a zero comes once', async () => {
  const receiver = await remoteWriteReceiver();
  const clock = new ManualClock();
  const { emit, stop } = await started({ ...to(receiver, { interval: '1s' }) }, clock);
  const startMs = clock.nowMs();
  const arrived = (requests: number) =>
    expect.poll(() => receiver.requests.length, { timeout: 10_000 }).toBe(requests);
  emit({ DnsName: 'a', Bytes: 1 });
  clock.jump(1000);
  await arrived(1);
  clock.setByMs = -60_000;
  emit({ DnsName: 'a', Bytes: 1 });
  clock.jump(1000);
  await arrived(2);
  clock.setByMs = 0;
  clock.jump(1000);
  await arrived(3);
  await stop();
  const [samples] = receiver.samples().values();
  expect(samples).toEqual([
    { value: 0, timestamp: startMs },
    { value: 1, timestamp: startMs + 1000 },
    { value: 2, timestamp: startMs + 1002 },
    { value: 2, timestamp: startMs + 3000 },
    { value: 2, timestamp: startMs + 3002 },
  ]);
});

test('a series that expires ends with the marker; when it comes back, it goes on', async () => {
  const receiver = await remoteWriteReceiver();
  const clock = new ManualClock();
  const { emit, stop } = await started(
    { ...to(receiver, { interval: '2s' }), expiryTime: '4s' },
    clock,
  );
  emit({ DnsName: 'a', Bytes: 3 });
  for (let i = 0; i < 10; i++) clock.jump(1000);
  emit({ DnsName: 'a', Bytes: 2 });
  await stop();
  const [samples] = receiver.samples().values();
  const values = samples!.map(({ value }) => value);
  expect(values[0]).toBe(0);
  expect(
    values
      .slice(1)
      .filter((value) => !Number.isNaN(value))
      .slice(0, -1),
  ).toEqual(Array(values.length - 3).fill(3));
  expect(values.slice(-2)).toEqual([Number.NaN, 5]);
  const times = samples!.map(({ timestamp }) => timestamp);
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
});

test('over a reload series go on without another zero; those that end get the marker', async () => {
  const receiver = await remoteWriteReceiver();
  const flows = { name: 'flows_total', type: 'counter' };
  const { emit, stop, reload, counts } = await started({
    ...to(receiver),
    metrics: [BYTES, flows],
  });
  emit({ DnsName: 'a', Bytes: 3 });
  await reload({ ...to(receiver, { headers: { other: 'x' } }), metrics: [BYTES] });
  emit({ DnsName: 'a', Bytes: 2 }, { DnsName: 'b', Bytes: 1 });
  await stop();
  const values = [...receiver.samples()].map(([key, own]) => [key, own.map(({ value }) => value)]);
  expect(values).toEqual([
    ['bytes_total{DnsName="a"}', [0, 3, 5]],
    ['flows_total{}', [0, 1, Number.NaN]],
    ['bytes_total{DnsName="b"}', [0, 1]],
  ]);
  for (const own of receiver.samples().values()) {
    const times = own.map(({ timestamp }) => timestamp);
    expect(times).toEqual([...new Set(times)].toSorted((one, other) => one - other));
  }
  expect((await lost(counts)).lost).toEqual({});
});

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT';

test.each([
  ['seconds', { 'retry-after': '1' }],
  // The date counts by the clock of the receiver.
  ['a date', { 'retry-after': 'Sun, 06 Nov 1994 08:49:38 GMT', date: DATE }],
])('busy and broken receivers get the request again, after the wait in %s', async (_, headers) => {
  const receiver = await remoteWriteReceiver();
  const { emit, stop, counts } = await started(to(receiver, { interval: '100ms' }));
  receiver.answers.push({ status: 429, headers }, { status: 500 }, 'none', { status: 503 });
  const startMs = performance.now();
  emit(...ROWS);
  await expect.poll(() => receiver.samples().size, { timeout: 20_000 }).toBe(2);
  expect(performance.now() - startMs).toBeGreaterThan(1000);
  await stop();
  const sums = await lost(counts);
  expect(sums.lost).toEqual({});
  expect(sums.sent).toBe(sums.made);
  expect((await counts()).get('remote_write_retries_total{stage="out"}')).toBe(4);
  const [samples] = receiver.samples().values();
  expect(samples!.map(({ value }) => value)).toEqual([0, ...samples!.slice(1).map(() => 6)]);
});

test.each([
  ['a date that has passed', { 'retry-after': DATE, date: 'Sun, 06 Nov 1994 08:50:00 GMT' }],
  ['no date', { 'retry-after': 'Sunday', date: DATE }],
])('%s does not keep the request', async (_why, headers) => {
  const receiver = await remoteWriteReceiver();
  const { emit } = await started(to(receiver, { interval: '100ms' }));
  receiver.answers.push({ status: 503, headers });
  emit(...ROWS);
  await expect.poll(() => receiver.samples().size, { timeout: 20_000 }).toBe(2);
});

test('a refused request is lost, with the reason, and the next one has what it had', async () => {
  const receiver = await remoteWriteReceiver();
  const { emit, stop, counts } = await started(to(receiver, { interval: '100ms' }));
  receiver.answers.push({ status: 400, text: 'out of order sample' });
  emit(...ROWS);
  await expect.poll(() => receiver.samples().size, { timeout: 10_000 }).toBe(2);
  await stop();
  const sums = await lost(counts);
  expect(sums.lost).toEqual({ refused: 4 });
  expect(sums.made).toBe(sums.sent! + 4);
  const last = [...receiver.samples()].map(([key, own]) => [key, own.at(-1)!.value]);
  expect(last).toEqual([
    ['bytes_total{DnsName="a"}', 6],
    ['bytes_total{DnsName="b"}', 7],
  ]);
});

test('native histograms, where wanted; scrapes keep the buckets', async () => {
  const receiver = await remoteWriteReceiver();
  const metrics = [{ name: 'size', type: 'histogram', valueKey: 'Bytes', buckets: [10] }];
  const { emit, stop, counts } = await started({
    ...to(receiver, { nativeHistograms: true }),
    metrics,
  });
  emit(...[0, 1, 2, 2, 1000].map((Bytes) => ({ Bytes })));
  expect((await counts()).get('size_bucket{le="10"}')).toBe(4);
  await stop();
  const [series] = receiver.requests[0]!.series;
  expect(seriesKey(series!)).toBe('size{}');
  const [zero, now] = series!.histograms;
  expect(zero).toMatchObject({ count: 0, sum: 0, positiveDeltas: [] });
  expect(now).toMatchObject({ count: 5, sum: 1005, schema: 3, zeroCount: 1 });
  expect(now!.positiveSpans).toEqual([{ offset: 0, length: 81 }]);
  expect(now!.positiveDeltas.slice(0, 10)).toEqual([1, -1, 0, 0, 0, 0, 0, 0, 2, -2]);
});

test('tokens, names and passwords come from files, which are read again when they change', async () => {
  const receiver = await remoteWriteReceiver();
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-remote-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('token'), 'one\n');
  writeFileSync(at('user'), 'alice\n');
  writeFileSync(at('password'), 'a b:c\n');
  const authorizations = (): unknown[] => [
    ...new Set(receiver.requests.map(({ headers }) => headers.authorization)),
  ];
  const options = { bearerTokenPath: at('token'), interval: '100ms' };
  const bearer = await started(to(receiver, options));
  bearer.emit(...ROWS);
  await expect.poll(authorizations, { timeout: 10_000 }).toEqual(['Bearer one']);
  writeFileSync(at('token'), 'second');
  await expect.poll(authorizations, { timeout: 10_000 }).toEqual(['Bearer one', 'Bearer second']);
  await bearer.stop();
  const basicAuth = { usernamePath: at('user'), passwordPath: at('password') };
  const basic = await started(to(receiver, { basicAuth }));
  basic.emit(...ROWS);
  await basic.stop();
  expect(authorizations().at(-1)).toBe(`Basic ${Buffer.from('alice:a b:c').toString('base64')}`);
});

test('TLS: the receiver must have a certificate of the authority', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-remote-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [own, other] = [selfSigned(), selfSigned()];
  writeFileSync(join(folder, 'own.crt'), own.cert);
  writeFileSync(join(folder, 'other.crt'), other.cert);
  const receiver = await remoteWriteReceiver(own);
  for (const [name, requests] of [
    ['other', 0],
    ['own', 1],
  ] as const) {
    const tls = { caCertPath: join(folder, `${name}.crt`) };
    const { emit, stop, counts } = await started(to(receiver, { tls }));
    emit(...ROWS);
    await stop();
    expect(receiver.requests.length).toBe(requests);
    expect((await lost(counts)).lost).toEqual(requests === 0 ? { closing: 4 } : {});
  }
});

const URL_OF = { url: 'https://prometheus:9090/api/v1/write' };

test.each([
  [{ url: 'prometheus:9090' }, /remoteWrite\.url.*"prometheus:9090" is not an address/],
  [{ url: 'http://p/', tls: {} }, /remoteWrite\.tls.*http:\/\//],
  [{ ...URL_OF, interval: '3m' }, /remoteWrite\.interval.*from 100ms to expiryTime, 120s/],
  [{ ...URL_OF, interval: '0s' }, /remoteWrite\.interval/],
  [{ ...URL_OF, externalLabels: { 'a-b': 'x' } }, /externalLabels\.a-b.*cannot be the name/],
  [{ ...URL_OF, externalLabels: { le: 'x' } }, /externalLabels\.le.*cannot be the name/],
  [
    { ...URL_OF, externalLabels: { DnsName: 'x' } },
    /externalLabels\.DnsName.*a label of bytes_total/,
  ],
  [{ ...URL_OF, headers: { 'a b': 'x' } }, /headers\.a b/],
  [
    {
      ...URL_OF,
      bearerTokenPath: 'token',
      basicAuth: { usernamePath: 'user', passwordPath: 'password' },
    },
    /basicAuth.*one of them/,
  ],
  [{ ...URL_OF, tls: { userCertPath: 'only.crt' } }, /userCertPath and userKeyPath go together/],
  [
    { ...URL_OF, bearerTokenPath: '/nowhere/token' },
    /remoteWrite\.bearerTokenPath: cannot be read.*nowhere/,
  ],
])('%j is a mistake', async (remoteWrite, message) => {
  await expect(started({ remoteWrite })).rejects.toThrow(message);
});
