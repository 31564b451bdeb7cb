import { pino } from 'pino';
import { expect, test } from 'vitest';
import { createExportMetrics } from '../../../../src/agent/export/metrics.ts';
import { Delivery } from '../../../../src/deliver/delivery.ts';
import { GRPC_LIMITS } from '../../../../src/deliver/targets/grpc.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const MESSAGE = { bytes: new Uint8Array(10), amount: { flows: 5, packets: 7, bytes: 9 } };

test.each([
  ['is frozen for half a minute', 30_000],
  ['lets its senders wait for five minutes', 300_000],
])('a collector that %s loses nothing', async (_what, answerMs) => {
  const clock = new ManualClock();
  const log = pino({ level: 'silent' });
  const registry = createMetrics('');
  const delivery = new Delivery(
    { ...GRPC_LIMITS, batchesMax: 50, bytesMax: 2 ** 20 },
    {
      target: { inFlightMax: 4, send: () => clock.sleep(answerMs) },
      ...{ clock, log, random: () => 0.5, metrics: createExportMetrics(registry, 'grpc') },
    },
  );
  await delivery.start();
  for (let i = 0; i < 10; i++) expect(delivery.offer([{ ...MESSAGE }])).toBe(true);
  for (let i = 0; i < 3; i++) await clock.advance(answerMs);
  await delivery.stop();
  const total = async (name: string): Promise<number> => {
    const { values } = await registry.registry.getSingleMetric(name)!.get();
    return values.reduce((sum, { value }) => sum + value, 0);
  };
  expect(await total('exporter_sent_flows_total')).toBe(50);
  expect(await total('exporter_lost_flows_total')).toBe(0);
  expect(await total('dropped_flows_total')).toBe(0);
});
