import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import {
  distinctRows,
  droppedBy,
  type Events,
  sendBy,
} from '../../support/models/interpreter/load.ts';
import type { Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';
import { Collector, plainJson } from './collector.ts';

/** Our encoders and our ingest, with the collector of OpenTelemetry at the other end. */

const SOON = { timeout: 30_000, interval: 50 } as const;
const KINDS = ['grpc', 'http'] as const;
const FLOWS = 20_000;
const rows = distinctRows(FLOWS);

const byBytes = (a: Row, b: Row): number => Number(a.Bytes) - Number(b.Bytes);

function to(collector: Collector, connectionType: (typeof KINDS)[number]) {
  const port = connectionType === 'grpc' ? collector.grpcPort : collector.httpPort;
  return { address: '127.0.0.1', port, connectionType };
}

function rowsAt(collector: Collector): readonly Row[] {
  return collector
    .logs()
    .map(({ attributes }) => plainJson(attributes))
    .toSorted(byBytes);
}

describe.each(KINDS)('encode, by %s', (kind) => {
  let collector: Collector;
  beforeAll(async () => {
    collector = await Collector.start();
  });
  afterAll(() => collector[Symbol.asyncDispose]());

  test('otlplogs: each flow is a record, with all fields, and as JSON', async () => {
    const some = rows.slice(0, 6000);
    const branch = await sendBy('otlplogs', to(collector, kind), some);
    expect(branch).toMatchObject({ in: 6000, written: 6000, dropped: {} });
    await collector.stored(6000);
    expect(rowsAt(collector)).toEqual(some);
    for (const { attributes, body, timeUnixNano } of collector.logs()) {
      const row = plainJson(attributes);
      expect(JSON.parse(body.stringValue)).toEqual(row);
      expect(timeUnixNano).toBe(`${Number(row.TimeFlowEndMs)}000000`);
    }
  });

  test('otlptraces: each flow is a trace of spans', async () => {
    const options = { ...to(collector, kind), spanSplitter: ['Src', 'Dst'] };
    const branch = await sendBy('otlptraces', options, rows.slice(0, 2000));
    expect(branch).toMatchObject({ in: 2000, written: 2000, dropped: {} });
    await expect.poll(() => collector.spans().length, SOON).toBe(6000);
    const names = Map.groupBy(collector.spans(), ({ name }) => name);
    expect([...names.values()].map((spans) => spans.length)).toEqual([2000, 2000, 2000]);
  });

  test('otlpmetrics: sums and counts are those of the flows', async () => {
    const metrics = [
      { name: 'bytes_total', type: 'counter', valueKey: 'Bytes', labels: ['SrcAddr'] },
      { name: 'size', type: 'histogram', valueKey: 'Bytes', buckets: [10, 100] },
    ];
    await sendBy('otlpmetrics', { ...to(collector, kind), prefix: 'p_', metrics }, rows);
    await expect.poll(() => collector.metrics().length, SOON).toBeGreaterThanOrEqual(2);
    const found = new Map(collector.metrics().map((metric) => [metric.name, metric]));
    const total = (FLOWS * (FLOWS + 1)) / 2;
    const [sum] = found.get('p_bytes_total')!.sum!.dataPoints;
    expect([plainJson(sum!.attributes), sum!.asDouble]).toEqual([{ SrcAddr: '10.0.0.1' }, total]);
    expect(found.get('p_size')!.histogram!.dataPoints).toMatchObject([
      { count: String(FLOWS), sum: total },
    ]);
  });
});

describe.each(KINDS)('outages, by %s', (kind) => {
  async function under(events: (collector: Collector) => Partial<Events>) {
    await using collector = await Collector.start();
    const branch = await sendBy('otlplogs', to(collector, kind), rows, events(collector));
    const stored = collector.logs().map(({ attributes }) => Number(plainJson(attributes).Bytes));
    return { branch, stored, lost: droppedBy(branch), distinct: new Set(stored).size };
  }

  test('killed under load and started again: what is not stored is counted', async () => {
    const { branch, lost, distinct } = await under((collector) => ({
      async 10() {
        await expect.poll(() => collector.logs().length, SOON).toBeGreaterThan(0);
        await collector.kill();
      },
      20: () => collector.restart(),
    }));
    expect(branch.in).toBe(FLOWS);
    expect(branch.written + lost).toBe(FLOWS);
    // Requests that were stored and not answered count as lost, since nobody knows.
    expect(distinct).toBeGreaterThanOrEqual(branch.written);
    expect(distinct + lost).toBeGreaterThanOrEqual(FLOWS);
    expect(branch.written).toBeGreaterThan(FLOWS / 2);
  });

  test('hung under load: all that is sent is stored once it goes on', async () => {
    const { branch, stored, lost, distinct } = await under((collector) => ({
      10: () => collector.pause(),
      30: () => collector.resume(),
    }));
    expect(branch.written + lost).toBe(FLOWS);
    expect(distinct).toBe(stored.length);
    expect(distinct).toBe(branch.written);
  });
});

describe.each(KINDS)('ingest, by %s', (kind) => {
  /** A pipeline that takes log records, at the same ports in each of its lives. */
  async function serve(ports: { readonly grpcPort: number; readonly httpPort: number }) {
    const bed = testPipeline(
      {
        pipeline: [{ name: 'out', follows: 'in', whenFull: 'block' }],
        parameters: [
          { name: 'in', ingest: { type: 'otlplogs', otlplogs: { ...ports, bufferLength: 1 } } },
          { name: 'out', write: { type: 'store', store: { name: 'a' } } },
        ],
      },
      { clock: systemClock, queue: { rows: 8192 } },
    );
    await bed.pipeline.start(new AbortController().signal);
    return bed;
  }

  test('through a collector, each flow comes back equal, also after a wait for room', async () => {
    const ports = { grpcPort: await freePort(), httpPort: await freePort() };
    const { pipeline, stores, metrics } = await serve(ports);
    onTestFinished(() => pipeline.stop());
    const target = kind === 'grpc' ? { grpcPort: ports.grpcPort } : { httpPort: ports.httpPort };
    await using collector = await Collector.start(target);
    const opened = Promise.withResolvers<void>();
    stores.a.gate = opened.promise;
    const busy = async (): Promise<boolean> =>
      /type="full",code="ERR_PIPELINE_BUSY"\} [1-9]/.test(await metrics.registry.metrics());
    const branch = await sendBy('otlplogs', to(collector, 'grpc'), rows, {
      async end() {
        await expect.poll(busy, SOON).toBe(true);
        opened.resolve();
      },
    });
    expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
    await expect.poll(() => stores.a.rows.length, SOON).toBe(FLOWS);
    const found = stores.a.rows.toSorted(byBytes);
    expect(found.map(({ TimeReceived, ...row }) => row)).toEqual(rows);
  });

  test('our end dies and comes back: the collector brings every flow', async () => {
    const ports = { grpcPort: await freePort(), httpPort: await freePort() };
    const first = await serve(ports);
    const target = kind === 'grpc' ? { grpcPort: ports.grpcPort } : { httpPort: ports.httpPort };
    await using collector = await Collector.start(target);
    let second = first;
    const branch = await sendBy('otlplogs', to(collector, 'grpc'), rows, {
      10: () => first.pipeline.stop(),
      async 20() {
        second = await serve(ports);
      },
    });
    onTestFinished(() => second.pipeline.stop());
    expect(branch).toMatchObject({ in: FLOWS, written: FLOWS, dropped: {} });
    const stored = (): Set<unknown> =>
      new Set([...first.stores.a.rows, ...second.stores.a.rows].map(({ Bytes }) => Bytes));
    await expect.poll(() => stored().size, SOON).toBe(FLOWS);
  });
});
