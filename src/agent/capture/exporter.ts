import type { Component } from '../../base/component.ts';
import type { PacketBatch } from '../../codec/pcap/packets.ts';
import type { FlowAmount } from '../../deliver/message.ts';
import type { HealthState } from '../../telemetry/health.ts';

/** The destination of captured packets. They wait in a bounded spool and delay nothing else. */
export interface PacketExporter extends Component {
  /** Encodes and spools a batch. False: there was no room, and none of it was taken. */
  emit(batch: PacketBatch): boolean;
  /** Ready while packets are accepted and delivered. */
  readiness(): HealthState;
  /** Packets that were accepted and could not be delivered since the signal to end. */
  lostAtEnd(): number;
  /** Ends the stream of packets. `lostPackets` did not reach the exporter. */
  end(lostPackets: number): void;
}

/** Sums over the rows from `from` to `to`. A packet counts with its captured size, and as one. */
export function packetAmount({ originals }: PacketBatch, from: number, to: number): FlowAmount {
  let bytes = 0;
  for (let row = from; row < to; row++) bytes += originals[row]!;
  return { flows: to - from, packets: to - from, bytes };
}
