import type { PacketBatch } from '../../codec/pcap/packets.ts';
import { encodePacketMessage } from '../../codec/pcap/pbpacket.ts';
import { pcapRecordBytes } from '../../codec/pcap/pcap.ts';
import type { Message } from '../../deliver/message.ts';
import { GRPC_LIMITS, GRPC_MESSAGE_BYTES_MAX } from '../../deliver/targets/grpc.ts';
import type { AgentConfig } from '../config.ts';
import { grpcTarget } from '../export/grpc.ts';
import { type DeliveryParts, outletOf } from '../export/outlet.ts';
import { type PacketExporter, packetAmount } from './exporter.ts';

const CALL = {
  method: '/pbpacket.Collector/Send',
  messageBytesMax: GRPC_MESSAGE_BYTES_MAX,
  // A server with two calls may process the later one first.
  inFlightMax: 1,
} as const;

/** Sends packets to a collector, as pcap records in `Packet` messages of pbpacket. */
export function createPacketGrpcExporter(config: AgentConfig, deps: DeliveryParts): PacketExporter {
  const outlet = outletOf(config, deps, {
    name: 'grpc',
    encoder: { encode: (batch: PacketBatch) => messagesOf(batch, config.pcaMessageMaxPackets) },
    target: grpcTarget(config, deps, CALL),
    limits: GRPC_LIMITS,
    rowsOf: ({ count }) => count,
  });
  return {
    start: (signal) => outlet.start(signal),
    stop: () => outlet.stop(),
    emit: (batch) => outlet.offer(batch),
    readiness: () => outlet.readiness(),
    lostAtEnd: () => outlet.lostAtEnd(),
    // The format has no place for the number of lost packets.
    end: () => undefined,
  };
}

function messagesOf(batch: PacketBatch, packetsMax: number): readonly Message[] {
  const messages: Message[] = [];
  for (let from = 0; from < batch.count; ) {
    let to = from + 1;
    let bytes = pcapRecordBytes(batch, from);
    while (to < batch.count && to - from < packetsMax) {
      bytes += pcapRecordBytes(batch, to);
      if (bytes > GRPC_MESSAGE_BYTES_MAX / 2) break;
      to++;
    }
    const amount = packetAmount(batch, from, to);
    messages.push({ bytes: encodePacketMessage(batch, from, to), amount });
    from = to;
  }
  return messages;
}
