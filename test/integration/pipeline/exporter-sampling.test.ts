import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ipfix, octets, set, template } from '../../support/codec/netflow-bytes.ts';
import { flowSample, part, sflow, words } from '../../support/codec/sflow-bytes.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { freePort } from '../../support/processes/program.ts';

const SOON = { timeout: 20_000, interval: 20 } as const;

async function serve(type: string, options: Readonly<Record<string, unknown>>) {
  const port = await freePort();
  const { pipeline, stores, metrics } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        {
          name: 'in',
          ingest: {
            type,
            [type]: { hostName: '127.0.0.1', port, samplingCorrection: true, ...options },
          },
        },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    { clock: systemClock, random: Math.random },
  );
  await pipeline.start(new AbortController().signal);
  let isStopped = false;
  const stop = async (): Promise<string> => {
    if (!isStopped) await pipeline.stop();
    isStopped = true;
    return metrics.registry.metrics();
  };
  onTestFinished(async () => void (await stop()));
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const send = (datagram: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(datagram, port, '127.0.0.1', (error) => (error ? reject(error) : resolve()));
    });
  return { rows: stores.a.rows, send, stop };
}

/** Octets, packets, sampling interval. */
const SAMPLED = template(256, [
  [1, 4],
  [2, 4],
  [34, 4],
]);
const PLAIN = template(257, [
  [1, 4],
  [2, 4],
]);

const given = (rate: number): Buffer =>
  ipfix({}, set(2, SAMPLED), set(256, octets([4, 100], [4, 2], [4, rate])));
const plain = (count = 1): Buffer =>
  ipfix(
    {},
    set(2, PLAIN),
    set(257, ...Array.from({ length: count }, () => octets([4, 100], [4, 2]))),
  );

test.each([
  ['of the exporter', {}, given(50), 50],
  ['of the exporter, though there is a default', { samplingRateDefault: 7 }, given(50), 50],
  ['by default', { samplingRateDefault: 7 }, plain(), 7],
  ['by its own default', { samplingRateDefault: 7, own: { samplingRateDefault: 9 } }, plain(), 9],
  ['of the configuration', { own: { samplingRate: 30 } }, given(50), 30],
  ['of the configuration, without any', { own: { samplingRate: 30 } }, plain(), 30],
])(
  'the rate %s',
  async (_which, { own, ...options }: Readonly<Record<string, unknown>>, datagram, rate) => {
    const exporters = own === undefined ? {} : { '127.0.0.1': own };
    const { send, rows } = await serve('ipfix', { ...options, exporters });
    await send(datagram);
    await expect.poll(() => rows.length, SOON).toBe(1);
    expect(rows[0]).toMatchObject({ SamplingRate: rate, Bytes: 100 * rate, Packets: 2 * rate });
  },
);

test('the rate of a switch', async () => {
  const ethernet = part(2, words(64, 0x0200_0000, 0x0100_0000, 0x0200_0000, 0x0200_0000, 0x0800));
  const exporters = { '192.0.2.99': { samplingRate: 30 } };
  const { send, rows } = await serve('sflow', { exporters });
  await send(sflow({ agent: '192.0.2.99' }, flowSample({ rate: 10 }, ethernet)));
  await send(sflow({ agent: '192.0.2.98' }, flowSample({ rate: 10 }, ethernet)));
  await expect.poll(() => rows.length, SOON).toBe(2);
  expect(rows.map(({ SamplingRate }) => SamplingRate)).toEqual([30, 10]);
  expect(rows[0]).toMatchObject({ Packets: 30, Bytes: 64 * 30 });
});

const counterOf = (text: string, name: string): number =>
  Number(new RegExp(`^ingest_exporter_${name}_total\\{[^}]*\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0);

test.each([
  ['ipfix', plain(30), 30, 100],
  [
    'sflow',
    sflow(
      {},
      ...Array.from({ length: 10 }, () =>
        flowSample({ rate: 1 }, part(2, words(100, 0x0200_0000, 0, 0, 0, 0x0800))),
      ),
    ),
    10,
    100,
  ],
])('%s above the limit: what passes stands for the rest', async (type, datagram, each, bytes) => {
  const datagrams = 600;
  const { send, rows, stop } = await serve(type, { flowsPerSecondMax: 300 });
  for (let i = 0; i < datagrams; i++) await send(datagram);
  let text = '';
  await expect.poll(() => rows.length, SOON).toBeGreaterThan(300);
  text = await stop();
  const read = counterOf(text, 'datagrams');
  const passed = counterOf(text, 'flows');
  const limited = counterOf(text, 'limited_flows');
  expect(passed + limited).toBe(read * each);
  expect(rows).toHaveLength(passed);
  expect(limited).toBeGreaterThan(passed);
  let estimate = 0;
  let variance = 0;
  for (const { Bytes, SamplingRate = 1 } of rows) {
    const thinning = Number(SamplingRate);
    // Bytes are whole numbers.
    expect(Number(Bytes)).toBe(Math.round(bytes * thinning));
    estimate += Number(Bytes);
    // By Horvitz and Thompson: k (k - 1) for each flow that passed, in flows.
    variance += thinning * (thinning - 1);
  }
  const flows = read * each;
  expect(Math.abs(estimate / bytes - flows)).toBeLessThan(6 * Math.sqrt(variance));
});
