import { PcapngWriter } from '../../codec/pcap/pcapng.ts';
import { type FlowAmount, NO_FLOWS } from '../../deliver/message.ts';
import { STREAM_LIMITS, StreamTarget } from '../../deliver/targets/stream.ts';
import type { AgentConfig } from '../config.ts';
import { type DeliveryParts, deliveryOf } from '../export/outlet.ts';
import { CAPTURE_BYTES_MAX } from '../loader/object.ts';
import { type PacketExporter, packetAmount } from './exporter.ts';

const APPLICATION = 'netobserv agent';

/** Writes a pcapng file to standard output, which tcpdump and Wireshark can read live. */
export function createPcapngExporter(config: AgentConfig, deps: DeliveryParts): PacketExporter {
  const { clock } = deps;
  const delivery = deliveryOf(config, deps, {
    name: 'stdout',
    target: new StreamTarget(deps.stdout, 'standard output'),
    limits: STREAM_LIMITS,
  });
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
      offer(NO_FLOWS);
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
      offer(NO_FLOWS);
    },
  };
}
