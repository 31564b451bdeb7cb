import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { PASSWORD, Prometheus, type PrometheusOptions, USER } from './prometheus.ts';

/** `remoteWrite` of `encode: prom` with a real Prometheus, which tells what it has stored. */

async function prometheus(options: PrometheusOptions = {}): Promise<Prometheus> {
  const server = await Prometheus.start(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

async function started(prom: object, clock: Clock = systemClock) {
  const bed = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', encode: { type: 'prom', prom } }],
    },
    { clock },
  );
  await bed.pipeline.start(new AbortController().signal);
  return {
    stop: () => bed.pipeline.stop(),
    emit(rows: readonly Row[]) {
      const batch = bed.pipeline.take();
      appendRows(batch, rows);
      bed.pipeline.emit(batch);
    },
    /** Samples of remote write by what became of them. */
    async counts() {
      const all = parseSamples(await bed.metrics.registry.metrics());
      const lost = [...all].filter(([key, value]) => /^remote_write_lost/.test(key) && value > 0);
      return {
        made: all.get('remote_write_made_samples_total{stage="out"}')!,
        sent: all.get('remote_write_samples_total{stage="out"}')!,
        lost: Object.fromEntries(
          lost.map(([key, value]) => [/reason="(\w+)"/.exec(key)![1], value]),
        ),
        retries: all.get('remote_write_retries_total{stage="out"}')!,
      };
    },
  };
}

const NAMES = ['alpha', 'b"quoted\\', 'schön', ''];
const rows: readonly Row[] = Array.from({ length: 3000 }, (_, index) => ({
  DnsName: NAMES[index % NAMES.length]!,
  Proto: index % 3 === 0 ? 6 : 17,
  Bytes: (index * 7919) % 5000,
}));

const METRICS = [
  { name: 'bytes_total', type: 'counter', valueKey: 'Bytes', labels: ['DnsName', 'Proto'] },
  { name: 'flows_total', type: 'counter', labels: ['Proto'] },
  { name: 'last_bytes', type: 'gauge', valueKey: 'Bytes', labels: ['Proto'] },
  {
    ...{ name: 'size', type: 'histogram', valueKey: 'Bytes', labels: ['Proto'] },
    buckets: [10, 100, 1000],
  },
];

/** Sums of a value over the rows, by the labels as Prometheus shows them. */
function sums(labels: readonly string[], of: (row: Row) => number) {
  const all: Record<string, number> = {};
  for (const row of rows) {
    // An empty label is none.
    const shown = labels.filter((label) => row[label] !== '');
    const own = Object.fromEntries(shown.map((label) => [label, String(row[label])]));
    const key = JSON.stringify({ ...own, instance: 'host-1' });
    all[key] = (all[key] ?? 0) + of(row);
  }
  return all;
}

const remoteWrite = (server: Prometheus, options: object = {}) => ({
  ...{ url: server.writeUrl, interval: '1h', externalLabels: { instance: 'host-1' } },
  ...options,
});

test('the sums of all flows, by their labels; each counter begins with zero', async () => {
  const server = await prometheus();
  const { emit, stop, counts } = await started({
    ...{ prefix: 'p_', metrics: METRICS, expiryTime: '1h' },
    remoteWrite: remoteWrite(server),
  });
  emit(rows);
  await stop();
  expect(await counts()).toMatchObject({ lost: {} });
  expect(await server.values('p_bytes_total')).toEqual(
    sums(['DnsName', 'Proto'], ({ Bytes }) => Number(Bytes)),
  );
  expect(await server.values('p_flows_total')).toEqual(sums(['Proto'], () => 1));
  expect(await server.values('p_size_sum')).toEqual(sums(['Proto'], (row) => Number(row.Bytes)));
  for (const le of ['10', '100', '1000', '+Inf']) {
    const upTo = sums(['Proto'], ({ Bytes }) => (Number(Bytes) <= Number(le.slice(-4)) ? 1 : 0));
    const wanted = le === '+Inf' ? sums(['Proto'], () => 1) : upTo;
    expect(await server.values(`sum without(le) (p_size_bucket{le="${le}"})`)).toEqual(wanted);
  }
  const lastOf = ([key]: readonly [string, number]): readonly [string, number] => {
    const { Proto } = JSON.parse(key) as { Proto: string };
    return [key, Number(rows.findLast((row) => String(row.Proto) === Proto)!.Bytes)];
  };
  const lasts = Object.entries(sums(['Proto'], () => 0)).map(lastOf);
  expect(await server.values('p_last_bytes')).toEqual(Object.fromEntries(lasts));
  const series = await server.query('p_bytes_total[1h]');
  for (const { values } of series) {
    expect(values!.map(([, value]) => value)).toEqual(['0', values!.at(-1)![1]]);
  }
});

test('native histograms: Prometheus shows each observation between the bounds of its bucket', async () => {
  const server = await prometheus();
  const { emit, stop } = await started({
    ...{ metrics: METRICS.slice(-1), expiryTime: '1h' },
    remoteWrite: remoteWrite(server, { nativeHistograms: true }),
  });
  emit(rows);
  await stop();
  expect(await server.values('histogram_count(size)')).toEqual(sums(['Proto'], () => 1));
  const wanted = sums(['Proto'], ({ Bytes }) => Number(Bytes));
  expect(await server.values('histogram_sum(size)')).toEqual(wanted);
  const results = await server.query('size');
  expect(results.length).toBe(2);
  for (const { metric, histogram } of results) {
    const own = rows.filter(({ Proto }) => String(Proto) === metric.Proto);
    let total = 0;
    for (const [, from, to, count] of histogram![1].buckets) {
      const [low, high] = [Number(from), Number(to)];
      const inside = own.filter(({ Bytes }) =>
        low < 0 ? Number(Bytes) <= high : Number(Bytes) > low && Number(Bytes) <= high,
      );
      expect(Number(count)).toBe(inside.length);
      total += inside.length;
    }
    expect(total).toBe(own.length);
  }
});

test.each([false, true])(
  'an expired series is gone at once (native histograms: %s), and goes on later',
  async (nativeHistograms) => {
    const server = await prometheus();
    const clock = new ManualClock(Date.now() - 20_000);
    const { emit, stop, counts } = await started(
      {
        ...{ metrics: METRICS, expiryTime: '4s' },
        remoteWrite: remoteWrite(server, { interval: '2s', nativeHistograms }),
      },
      clock,
    );
    const settled = () =>
      expect
        .poll(
          async () => {
            const { made, sent } = await counts();
            return made - sent;
          },
          { timeout: 20_000 },
        )
        .toBe(0);
    const names = '{__name__=~"bytes_total|size.*"}';
    emit(rows);
    clock.jump(2000);
    await settled();
    expect((await server.query(names)).length).toBeGreaterThan(0);
    for (let i = 0; i < 6; i++) clock.jump(1000);
    await settled();
    expect(await server.query(names)).toEqual([]);
    emit(rows);
    await stop();
    expect(await counts()).toMatchObject({ lost: {} });
    const twice = Object.entries(sums(['DnsName', 'Proto'], ({ Bytes }) => 2 * Number(Bytes)));
    expect(await server.values('bytes_total')).toEqual(Object.fromEntries(twice));
  },
);

test('TLS, and a name and a password', async () => {
  const server = await prometheus({ isProtected: true });
  const at = (name: string): string => join(server.folder, name);
  writeFileSync(at('user'), USER);
  for (const [password, lost] of [
    ['wrong', { refused: 4 }],
    [PASSWORD, {}],
  ] as const) {
    writeFileSync(at('password'), password);
    const { emit, stop, counts } = await started({
      ...{ metrics: [METRICS[1]], expiryTime: '1h' },
      remoteWrite: remoteWrite(server, {
        tls: { caCertPath: at('server.crt') },
        basicAuth: { usernamePath: at('user'), passwordPath: at('password') },
      }),
    });
    emit(rows);
    await stop();
    expect((await counts()).lost).toEqual(lost);
  }
  expect(await server.values('flows_total')).toEqual(sums(['Proto'], () => 1));
});

test('samples that Prometheus refuses are lost, and counted', async () => {
  const server = await prometheus();
  for (const [behindMs, lost] of [
    [1000, {}],
    [60_000, { refused: 4 }],
  ] as const) {
    const { emit, stop, counts } = await started(
      { metrics: [METRICS[1]], expiryTime: '1h', remoteWrite: remoteWrite(server) },
      new ManualClock(Date.now() - behindMs),
    );
    emit(rows);
    await stop();
    expect((await counts()).lost).toEqual(lost);
  }
});

test('killed, restarted and hung under load: what was sent is stored, once', async () => {
  const server = await prometheus();
  const { emit, stop, counts } = await started({
    ...{ prefix: 'load_', metrics: METRICS, expiryTime: '1h' },
    remoteWrite: remoteWrite(server, { interval: '100ms' }),
  });
  let emitted = 0;
  const load = setInterval(() => {
    emit(rows);
    emitted++;
  }, 20);
  onTestFinished(() => clearInterval(load));
  const grown = async (): Promise<void> => {
    const { sent } = await counts();
    await expect
      .poll(async () => (await counts()).sent, { timeout: 60_000 })
      .toBeGreaterThan(sent + 200);
  };
  for (let round = 0; round < 3; round++) {
    await grown();
    await server.kill();
    const { retries } = await counts();
    await expect
      .poll(async () => (await counts()).retries, { timeout: 30_000 })
      .toBeGreaterThan(retries);
    await server.restart();
    await grown();
    server.hang(true);
    // Transmissions pile up, and the first one is given up and sent again.
    const before = await counts();
    await expect
      .poll(async () => (await counts()).retries, { timeout: 30_000 })
      .toBeGreaterThan(before.retries);
    server.hang(false);
  }
  await grown();
  clearInterval(load);
  await stop();
  const { made, sent, lost } = await counts();
  expect(lost).toEqual({});
  expect(sent).toBe(made);
  const stored = await server.query('{__name__=~"load_.*"}[1h]');
  expect(stored.reduce((sum, { values }) => sum + values!.length, 0)).toBe(sent);
  const wanted = sums(['DnsName', 'Proto'], ({ Bytes }) => emitted * Number(Bytes));
  expect(await server.values('load_bytes_total')).toEqual(wanted);
}, 180_000);
