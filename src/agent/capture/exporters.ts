import type { AgentConfig } from '../config.ts';
import { refuse } from '../export/check.ts';
import type { DeliveryParts } from '../export/outlet.ts';
import type { PacketExporter } from './exporter.ts';

/** The exporter that EXPORT selects; throws when a required option is missing. */
export async function createPacketExporter(
  config: AgentConfig,
  deps: DeliveryParts,
): Promise<PacketExporter> {
  switch (config.export) {
    case 'grpc':
      return (await import('./grpc.ts')).createPacketGrpcExporter(config, deps);
    case 'stdout':
      return (await import('./stdout.ts')).createPcapngExporter(config, deps);
    default:
      throw refuse('export', 'packets go to grpc or, as pcapng, to stdout');
  }
}
