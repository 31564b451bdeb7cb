import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createPacketExporter } from '../../../../src/agent/capture/exporters.ts';
import type { DeliveryParts } from '../../../../src/agent/export/outlet.ts';
import type { PacketBatch } from '../../../../src/codec/pcap/packets.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { packetBatch } from '../../../support/codec/packet-batch.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

const PACKETS = packetBatch([{ frame: new Uint8Array(60) }]);

/** Packets that throw when read. */
const UNREADABLE: PacketBatch = {
  ...PACKETS,
  get lengths(): never {
    throw new Error('was read');
  },
};

const DEPS: DeliveryParts = {
  log: createLog('silent'),
  metrics: createMetrics(''),
  clock: new ManualClock(),
  random: () => 0,
  // Never completes a write.
  stdout: new Writable({ write() {} }),
};

test.each(['grpc', 'stdout'])('EXPORT=%s: what is thrown away is not encoded', async (target) => {
  const env = { EXPORT: target, TARGET_HOST: '127.0.0.1', TARGET_PORT: '9', BUFFERS_LENGTH: '2' };
  const exporter = await createPacketExporter(agentConfig(env), DEPS);
  while (exporter.emit(PACKETS));
  expect(exporter.emit(UNREADABLE)).toBe(false);
});

test('packets go nowhere else', async () => {
  await expect(createPacketExporter(agentConfig({ EXPORT: 'kafka' }), DEPS)).rejects.toMatchObject({
    code: 'ERR_AGENT_OPTION',
    details: { variable: 'EXPORT' },
  });
});
