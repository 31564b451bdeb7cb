import type { PacketBatch } from '../../codec/pcap/packets.ts';
import { encodePacketMessage } from '../../codec/pcap/pbpacket.ts';
import { pcapRecordBytes } from '../../codec/pcap/pcap.ts';
import type { AgentConfig } from '../config.ts';
import { collectorOf, MESSAGE_BYTES_MAX } from '../export/collector.ts';
import { Delivery } from '../export/delivery.ts';
import { declareExportMetrics } from '../export/metrics.ts';
import type { SpoolMessage } from '../export/spool.ts';
import { type PacketExporter, type PacketExporterDeps, packetAmount } from './exporter.ts';

const METHOD = '/pbpacket.Collector/Send';
/** Calls at a time: a server that has two may take the later one first. */
const IN_FLIGHT_MAX = 1;

/** Sends packets to a collector, as pcap records in `Packet` messages of pbpacket. */
export function createPacketGrpcExporter(
  config: AgentConfig,
  deps: PacketExporterDeps,
): PacketExporter {
  const { clock, random, metrics } = deps;
  const call = { method: METHOD, messageBytesMax: MESSAGE_BYTES_MAX };
  const collector = collectorOf(config, deps, call);
  const transport = {
    inFlightMax: IN_FLIGHT_MAX,
    send: ({ bytes }: SpoolMessage, signal: AbortSignal) => collector.call(bytes, signal),
  };
  const delivery = new Delivery<SpoolMessage>(collector.limits, {
    transport,
    clock,
    log: collector.log,
    random,
    metrics: declareExportMetrics(metrics, 'grpc'),
  });
  return {
    async start(signal) {
      await collector.open();
      await delivery.start(signal);
    },
    async stop() {
      await delivery.stop();
      await collector.close();
    },
    emit(batch) {
      if (delivery.isFull()) return false;
      return delivery.offer(messagesOf(batch, config.pcaMessageMaxPackets));
    },
    readiness: () => delivery.readiness(),
    lostAtEnd: () => delivery.lostAtEnd,
    end() {
      // The format has no place for what was lost.
    },
  };
}

function messagesOf(batch: PacketBatch, packetsMax: number): readonly SpoolMessage[] {
  const messages: SpoolMessage[] = [];
  for (let from = 0; from < batch.count; ) {
    let to = from + 1;
    let bytes = pcapRecordBytes(batch, from);
    while (to < batch.count && to - from < packetsMax) {
      bytes += pcapRecordBytes(batch, to);
      if (bytes > MESSAGE_BYTES_MAX / 2) break;
      to++;
    }
    const amount = packetAmount(batch, from, to);
    messages.push({ bytes: encodePacketMessage(batch, from, to), amount });
    from = to;
  }
  return messages;
}
