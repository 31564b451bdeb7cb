import { expect, onTestFinished, test } from 'vitest';
import { createPacketExporter } from '../../../src/agent/capture/exporter.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { packetBatch } from '../../support/codec/packet-batch.ts';
import { PacketCollector } from '../../support/net/packet-collector.ts';
import { agentConfig } from '../../support/processes/agent-host.ts';

const PACKETS = 40;

test('packets reach a collector in their order, even if it works on several calls at once', async () => {
  const collector = new PacketCollector(true);
  await collector.start();
  onTestFinished(() => collector.stop());
  const env = { EXPORT: 'grpc', TARGET_HOST: '127.0.0.1', TARGET_PORT: `${collector.port}` };
  const exporter = await createPacketExporter(agentConfig(env), {
    log: createLog('silent'),
    metrics: createMetrics(''),
    clock: systemClock,
    random: () => 0.5,
    stdout: process.stdout,
  });
  await exporter.start(new AbortController().signal);
  const frames = Array.from({ length: PACKETS }, (_, index) => new Uint8Array(60).fill(index));
  expect(exporter.emit(packetBatch(frames.map((frame) => ({ frame }))))).toBe(true);
  await exporter.stop();

  const order = collector.values.map((value) => value.at(-1));
  expect(order).toEqual(Array.from({ length: PACKETS }, (_, index) => index));
});
