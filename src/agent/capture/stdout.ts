import { PcapngWriter } from '../../codec/pcap/pcapng.ts';
import type { AgentConfig } from '../config.ts';
import type { FlowAmount } from '../export/exporter.ts';
import { stdoutDelivery } from '../export/stdout-delivery.ts';
import { CAPTURE_BYTES_MAX } from '../loader/object.ts';
import { type PacketExporter, type PacketExporterDeps, packetAmount } from './exporter.ts';

const APPLICATION = 'netobserv agent';
const NOTHING: FlowAmount = { flows: 0, packets: 0, bytes: 0 };

/** Writes a pcapng file to standard output, for tcpdump and Wireshark to read along. */
export function createPcapngExporter(
  config: AgentConfig,
  deps: PacketExporterDeps,
): PacketExporter {
  const { clock } = deps;
  const delivery = stdoutDelivery(config, deps);
  const writer = new PcapngWriter(config.pcaSnapLength || CAPTURE_BYTES_MAX);
  const offer = (amount: FlowAmount): boolean => {
    const taken = delivery.offer([{ bytes: writer.bytes().slice(), amount }]);
    if (taken) writer.clear();
    else writer.takeBack();
    return taken;
  };
  return {
    async start(signal) {
      writer.writeHeader(APPLICATION);
      offer(NOTHING);
      await delivery.start(signal);
    },
    stop: () => delivery.stop(),
    emit(batch) {
      if (delivery.isFull()) return false;
      writer.writePackets(batch);
      return offer(packetAmount(batch, 0, batch.count));
    },
    readiness: () => delivery.readiness(),
    lostAtEnd: () => delivery.lostAtEnd,
    end(lostPackets) {
      writer.writeStatistics(clock.nowMs(), { packets: lostPackets });
      offer(NOTHING);
    },
  };
}
