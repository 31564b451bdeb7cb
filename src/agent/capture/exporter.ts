import type { Component } from '../../base/component.ts';
import type { PacketBatch } from '../../codec/pcap/packets.ts';
import type { FlowAmount } from '../../deliver/message.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { AgentConfig } from '../config.ts';
import { refuse } from '../export/check.ts';
import type { DeliveryParts } from '../export/outlet.ts';

/** Where captured packets go. They wait in a bounded spool and delay nothing else. */
export interface PacketExporter extends Component {
  /** Encodes and spools a batch. False: there was no room, and none of it was taken. */
  emit(batch: PacketBatch): boolean;
  /** Ready while packets are taken and get away. */
  readiness(): HealthState;
  /** Packets that were taken and could not be delivered since the signal to end. */
  lostAtEnd(): number;
  /** Ends the stream of packets. `lostPackets` did not get here. */
  end(lostPackets: number): void;
}

/** The exporter that EXPORT asks for; throws when an option that it needs is missing. */
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

/** Sums over the rows from `from` to `to`. A packet counts as it was captured, and as one. */
export function packetAmount({ originals }: PacketBatch, from: number, to: number): FlowAmount {
  let bytes = 0;
  for (let row = from; row < to; row++) bytes += originals[row]!;
  return { flows: to - from, packets: to - from, bytes };
}
