import type { Agent } from '../../agent/agent.ts';
import { createPacketExporter, type PacketExporter } from '../../agent/capture/exporter.ts';
import { createPacketAgent } from '../../agent/capture/root.ts';
import type { AgentConfig } from '../../agent/config.ts';
import { systemRandom } from '../../base/clock.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { bpfObject } from '../assets.ts';
import type { AgentHostDeps } from './host.ts';

/** Joins an agent that captures packets with the exporter that EXPORT asks for. */
export async function createCapture(
  config: AgentConfig,
  { log, clock, stdout, native }: AgentHostDeps,
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
