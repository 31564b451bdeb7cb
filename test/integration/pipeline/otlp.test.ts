import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import {
  decodeLogs,
  decodeMetrics,
  decodeTraces,
  encodeAnswer,
  plainAttributes,
} from '../../support/codec/otlp-schema.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import {
  grpcOtlpReceiver,
  httpOtlpReceiver,
  type OtlpReceiver,
} from '../../support/net/otlp-receiver.ts';

const FLOWS = 5000;
/** Flows in a batch. */
const HALF = FLOWS / 2;
const rows: readonly Row[] = Array.from({ length: FLOWS }, (_, index) => ({
  ...{ SrcAddr: '10.0.0.1', DstAddr: `10.1.${index >> 8}.${index & 255}`, SrcPort: 1000 },
  ...{ Bytes: index + 1, Packets: 1, TimeFlowEndMs: 1_764_500_000_000 + index },
  ...{ Interfaces: ['eth0', 'eth1'], app: `app-${index % 7}` },
}));

/** Sends flows through a pipeline; resolves to the accounting of its branch. */
async function send(type: string, options: object, flows: readonly Row[] = rows) {
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        {
          name: 'in',
          ingest: { type: 'rows', rows: { batches: [flows.slice(0, HALF), flows.slice(HALF)] } },
        },
        { name: 'out', encode: { type, [type]: options } },
      ],
    },
    { types: WITH_TEST_STAGES, clock: systemClock },
  );
  await bed.pipeline.start(new AbortController().signal);
  await bed.pipeline.stop();
  return bed.pipeline.branches()[0]!;
}

function logRows({ requests }: OtlpReceiver): readonly Row[] {
  return requests
    .flatMap(({ body }) => decodeLogs(body))
    .flatMap(({ scopeLogs }) => scopeLogs)
    .flatMap(({ logRecords }) => logRecords)
    .map(({ attributes }) => plainAttributes(attributes))
    .sort((a, b) => Number(a.Bytes) - Number(b.Bytes));
}

const RECEIVERS = { grpc: grpcOtlpReceiver, http: httpOtlpReceiver } as const;
const LOGS_AT = {
  grpc: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  http: '/v1/logs',
} as const;

describe.each(['grpc', 'http'] as const)('%s', (connectionType) => {
  const to = ({ port }: OtlpReceiver) => ({ address: '127.0.0.1', port, connectionType });

  test('each flow arrives once, with all of its fields', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const branch = await send('otlplogs', to(receiver));
    expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
    expect(logRows(receiver)).toEqual(rows);
    expect(new Set(receiver.requests.map((request) => request.to))).toEqual(
      new Set([LOGS_AT[connectionType]]),
    );
    const [{ resource }] = decodeLogs(receiver.requests[0]!.body);
    expect(plainAttributes(resource.attributes)).toEqual({
      'service.name': 'netobserv-otlp',
      'service.version': 'v0.1.0',
    });
  });

  test('headers go with each request', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const headers = { 'X-Scope-OrgID': 'tenant-1', authorization: 'Bearer secret' };
    await send('otlplogs', { ...to(receiver), headers });
    const metrics = [{ name: 'flows_total', type: 'counter' }];
    await send('otlpmetrics', { ...to(receiver), headers, metrics });
    await send('otlptraces', { ...to(receiver), headers, spanSplitter: ['Src'] });
    expect(new Set(receiver.requests.map((request) => request.to)).size).toBe(3);
    for (const request of receiver.requests) {
      expect(request.headers).toMatchObject({
        'x-scope-orgid': 'tenant-1',
        authorization: 'Bearer secret',
      });
    }
  });

  test('flows that the receiver refuses count as lost', async () => {
    const receiver = await RECEIVERS[connectionType]();
    receiver.answer = encodeAnswer({ partialSuccess: { rejected: 3, errorMessage: 'too old' } });
    const branch = await send('otlplogs', to(receiver));
    const lost = 3 * receiver.requests.length;
    expect(branch).toMatchObject({ written: FLOWS - lost, dropped: { refused: lost } });
  });

  test('traces', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const branch = await send('otlptraces', { ...to(receiver), spanSplitter: ['Src', 'Dst'] });
    expect(branch).toMatchObject({ written: FLOWS, dropped: {} });
    const spans = receiver.requests
      .flatMap(({ body }) => decodeTraces(body))
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap((scope) => scope.spans);
    const byName = Map.groupBy(spans, ({ name }) => name);
    expect([...byName].map(([name, own]) => [name, own.length])).toEqual([
      ['flp_encode', FLOWS],
      ['Src', FLOWS],
      ['Dst', FLOWS],
    ]);
  });

  test('metrics: the sums of all flows at the end, by their labels', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const metrics = [
      { name: 'bytes_total', type: 'counter', valueKey: 'Bytes', labels: ['app'] },
      { name: 'last_bytes', type: 'gauge', valueKey: 'Bytes', labels: ['SrcAddr'] },
      { name: 'bytes', type: 'histogram', valueKey: 'Bytes', buckets: [10, 1000], help: 'Help.' },
      { name: 'other_total', type: 'counter', filters: [{ key: 'app', value: 'none' }] },
    ];
    const branch = await send('otlpmetrics', { ...to(receiver), prefix: 'p_', metrics });
    expect(branch).toMatchObject({ written: FLOWS, dropped: {} });
    const byName = Map.groupBy(
      receiver.requests.flatMap(({ body }) => decodeMetrics(body)),
      ({ name }) => name,
    );
    expect([...byName.keys()]).toEqual(['p_bytes_total', 'p_last_bytes', 'p_bytes']);
    const [counter] = byName.get('p_bytes_total')!;
    const sums = new Map<unknown, number>();
    for (const { app, Bytes } of rows) {
      sums.set(app, (sums.get(app) ?? 0) + Number(Bytes));
    }
    const points = counter!.sum.dataPoints;
    expect(
      new Map(points.map((one) => [plainAttributes(one.attributes).app, one.asDouble])),
    ).toEqual(sums);
    const [gauge] = byName.get('p_last_bytes')!;
    expect(gauge!.gauge.dataPoints.map(({ asDouble }) => asDouble)).toEqual([FLOWS]);
    const [histogram] = byName.get('p_bytes')!;
    expect(histogram!.description).toBe('Help.');
    const [point] = histogram!.histogram.dataPoints;
    expect(point!.bucketCounts.map(Number)).toEqual([10, 990, FLOWS - 1000]);
    expect(Number(point!.timeUnixNano)).toBeGreaterThanOrEqual(Number(point!.startTimeUnixNano));
  });

  test('metrics are sent again and again, with growing values', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const bed = testPipeline(
      {
        pipeline: [{ name: 'out', follows: 'preset-ingester' }],
        parameters: [
          {
            name: 'out',
            encode: {
              type: 'otlpmetrics',
              otlpmetrics: {
                ...to(receiver),
                pushTimeInterval: '50ms',
                metrics: [{ name: 'flows_total', type: 'counter' }],
              },
            },
          },
        ],
      },
      { clock: systemClock },
    );
    await bed.pipeline.start(new AbortController().signal);
    onTestFinished(() => bed.pipeline.stop());
    const values = (): number[] =>
      receiver.requests.flatMap(({ body }) => {
        const [metric] = decodeMetrics(body);
        return metric!.sum.dataPoints.map(({ asDouble }) => asDouble);
      });
    for (const total of [3, 6]) {
      const batch = bed.pipeline.take();
      appendRows(batch, rows.slice(0, 3));
      bed.pipeline.emit(batch);
      await expect.poll(() => values().at(-1), { timeout: 10_000 }).toBe(total);
    }
    await expect.poll(() => values().length, { timeout: 10_000 }).toBeGreaterThan(6);
    expect(values()).toEqual(values().toSorted((a, b) => a - b));
  });

  test('metrics: flatten, remap and valueScale', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const metric = {
      ...{ name: 'part_total', type: 'counter', valueKey: 'Bytes', valueScale: 4 },
      ...{
        labels: ['Interfaces'],
        flatten: ['Interfaces'],
        remap: { Interfaces: 'network.interface' },
      },
    };
    await send('otlpmetrics', { ...to(receiver), metrics: [metric] }, rows.slice(0, 4));
    const [{ body }] = receiver.requests as [OtlpReceiver['requests'][number]];
    const points = decodeMetrics(body)[0]!.sum.dataPoints;
    expect(points.map((one) => [plainAttributes(one.attributes), one.asDouble])).toEqual([
      [{ 'network.interface': 'eth0' }, 2.5],
      [{ 'network.interface': 'eth1' }, 2.5],
    ]);
  });

  test('metrics: a series without flows for expiryTime is sent no longer', async () => {
    const receiver = await RECEIVERS[connectionType]();
    const otlpmetrics = {
      ...{ ...to(receiver), pushTimeInterval: '1s', expiryTime: '30s' },
      metrics: [{ name: 'flows_total', type: 'counter', labels: ['DnsName'] }],
    };
    const { pipeline, clock } = testPipeline({
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', encode: { type: 'otlpmetrics', otlpmetrics } }],
    });
    await pipeline.start(new AbortController().signal);
    onTestFinished(() => pipeline.stop());
    const last = () =>
      receiver.requests
        .slice(-1)
        .flatMap(({ body }) => decodeMetrics(body)[0]!.sum.dataPoints)
        .map((one) => plainAttributes(one.attributes).DnsName);
    const emit = (DnsName: string): void => {
      const batch = pipeline.take();
      appendRows(batch, [{ DnsName }]);
      pipeline.emit(batch);
    };
    const pushed = (wanted: readonly string[]) =>
      expect
        .poll(() => {
          clock.jump(1000);
          return last();
        })
        .toEqual(wanted);
    emit('a');
    await pushed(['a']);
    emit('b');
    await pushed(['a', 'b']);
    clock.jump(29_000);
    emit('b');
    await pushed(['b']);
  });

  test('TLS: the server must have a certificate of the authority, unless all are accepted', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-otlp-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [own, other] = [selfSigned(), selfSigned()];
    writeFileSync(join(folder, 'own.crt'), own.cert);
    writeFileSync(join(folder, 'other.crt'), other.cert);
    const receiver = await RECEIVERS[connectionType](own);
    const address = { ...to(receiver), address: 'localhost' };
    const few = rows.slice(0, 10);
    const trusting = (name: string) => ({ ...address, tls: { caCertPath: join(folder, name) } });
    expect(await send('otlplogs', trusting('own.crt'), few)).toMatchObject({ written: 10 });
    expect(await send('otlplogs', trusting('other.crt'), few)).toMatchObject({ written: 0 });
    const all = { ...address, tls: { insecureSkipVerify: true } };
    expect(await send('otlplogs', all, few)).toMatchObject({ written: 10 });
  });
});

test('more prefixes than a span may have children', async () => {
  const right = { address: 'localhost', port: 4317, connectionType: 'grpc' };
  const spanSplitter = Array.from({ length: 17 }, (_, index) => `P${index}`);
  await expect(send('otlptraces', { ...right, spanSplitter })).rejects.toThrow(
    /spanSplitter.*17 prefixes; there may be 16/,
  );
});

test.each([
  [{ headers: { 'bad name': 'x' } }, /headers\.bad name/],
  [{ headers: { name: 'line\nfeed' } }, /headers\.name/],
  [{ tls: { userCertPath: 'only.crt' } }, /userCertPath and userKeyPath go together/],
  [{ connectionType: 'udp' }, /connectionType/],
])('%j is a mistake', async (options, message) => {
  const right = { address: 'localhost', port: 4317, connectionType: 'grpc' };
  await expect(send('otlplogs', { ...right, ...options })).rejects.toThrow(message);
});
