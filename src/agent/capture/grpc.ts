import type { PacketBatch } from '../../codec/pcap/packets.ts';
import { encodePacketMessage } from '../../codec/pcap/pbpacket.ts';
import { pcapRecordBytes } from '../../codec/pcap/pcap.ts';
import { GrpcClient } from '../../net/grpc/client.ts';
import type { AgentConfig } from '../config.ts';
import { checkReconnect, checkTarget, checkTargetTls } from '../export/check.ts';
import { DELIVERY_DEFAULTS, Delivery } from '../export/delivery.ts';
import { tlsOf } from '../export/grpc.ts';
import { declareExportMetrics } from '../export/metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX, type SpoolMessage } from '../export/spool.ts';
import { type PacketExporter, type PacketExporterDeps, packetAmount } from './exporter.ts';

const METHOD = '/pbpacket.Collector/Send';
/** Servers take 4 MiB unless told otherwise. */
const MESSAGE_BYTES_MAX = 3.5 * 2 ** 20;
/** Calls at a time. Packets may so arrive in another order, which their times tell. */
const IN_FLIGHT_MAX = 8;
/** The server is told a later deadline than ours, so that the books know why a call ended. */
const DEADLINE_MARGIN_MS = 1000;

/** Sends packets to a collector, as pcap records in `Packet` messages of pbpacket. */
export function createPacketGrpcExporter(
  config: AgentConfig,
  deps: PacketExporterDeps,
): PacketExporter {
  checkTarget(config);
  checkTargetTls(config);
  checkReconnect(config);
  const { clock, random, metrics } = deps;
  const limits = { ...DELIVERY_DEFAULTS, ...deps.delivery };
  const log = deps.log.child({ component: 'grpc' });
  const client = new GrpcClient(
    {
      host: config.targetHost,
      port: config.targetPort,
      tls: tlsOf(config),
      method: METHOD,
      callTimeoutMs: limits.attemptTimeoutMs + DEADLINE_MARGIN_MS,
      messageBytesMax: MESSAGE_BYTES_MAX,
      reconnectMs: config.grpcReconnectTimerMs,
      reconnectJitterMs: config.grpcReconnectTimerRandomizationMs,
    },
    { clock, log, random },
  );
  const transport = {
    inFlightMax: IN_FLIGHT_MAX,
    send: ({ bytes }: SpoolMessage, signal: AbortSignal) => client.call(bytes, signal),
  };
  const delivery = new Delivery<SpoolMessage>(
    { ...limits, batchesMax: batchesOf(config), bytesMax: SPOOL_BYTES_MAX },
    { transport, clock, log, random, metrics: declareExportMetrics(metrics, 'grpc') },
  );
  return {
    async start() {
      client.open();
      await delivery.start();
    },
    async stop() {
      await delivery.stop();
      await client.close();
    },
    emit: (batch) => delivery.offer(messagesOf(batch, config.pcaMessageMaxPackets)),
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
