import type { Writable } from 'node:stream';
import type { Agent } from '../../agent/agent.ts';
import type { PacketExporter } from '../../agent/capture/exporter.ts';
import { createPacketExporter } from '../../agent/capture/exporters.ts';
import { createPacketAgent } from '../../agent/capture/root.ts';
import type { AgentConfig } from '../../agent/config.ts';
import type { Native } from '../../agent/loader/native.ts';
import { type Clock, systemRandom } from '../../base/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { bpfObject } from '../assets.ts';

export interface CaptureDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly stdout: Writable;
  readonly native: Native;
}

/** Connects an agent that captures packets to the exporter that EXPORT selects. */
export async function createCapture(
  config: AgentConfig,
  { log, clock, stdout, native }: CaptureDeps,
  metrics: Metrics,
): Promise<{ readonly exporter: PacketExporter; readonly agent: Agent }> {
  const shared = { log, clock, metrics };
  const exporter = await createPacketExporter(config, { ...shared, stdout, random: systemRandom });
  const agent = createPacketAgent(config, {
    ...shared,
    native,
    object: bpfObject(),
    exporter,
  });
  return { exporter, agent };
}
