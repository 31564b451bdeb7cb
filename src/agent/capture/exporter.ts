import type { Component } from '../../base/component.ts';
import type { PacketBatch } from '../../codec/pcap/packets.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { FlowAmount } from '../export/exporter.ts';
import type { ExporterDeps } from '../export/exporters.ts';

/** Where captured packets go. They wait in a bounded spool, and never make anybody else wait. */
export interface PacketExporter extends Component {
  /** Encodes and spools a batch; false: there was no room, and none of it was taken. */
  emit(batch: PacketBatch): boolean;
  /** Whether what it takes gets away. */
  readiness(): HealthState;
  /** Packets that it took and could not deliver since the signal to end. */
  lostAtEnd(): number;
  /** No packet comes after this; so many were lost on the way here. */
  end(lostPackets: number): void;
}

export type PacketExporterDeps = Omit<ExporterDeps, 'tables' | 'columns'>;

/** What is in the rows from `from` to `to`; a packet counts as it was captured, and as one. */
export function packetAmount({ originals }: PacketBatch, from: number, to: number): FlowAmount {
  let bytes = 0;
  for (let row = from; row < to; row++) bytes += originals[row]!;
  return { flows: to - from, packets: to - from, bytes };
}
