import type { Writable } from 'node:stream';
import { explain, NetobservError } from '../../base/errors.ts';
import { PcapngWriter } from '../../codec/pcap/pcapng.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { DELIVERY_DEFAULTS, Delivery } from '../export/delivery.ts';
import type { FlowAmount } from '../export/exporter.ts';
import { declareExportMetrics } from '../export/metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX, type SpoolMessage } from '../export/spool.ts';
import { CAPTURE_BYTES_MAX } from '../loader/object.ts';
import { type PacketExporter, type PacketExporterDeps, packetAmount } from './exporter.ts';

/** What was given to the stream cannot be taken back: its reader has all the time it wants. */
const ATTEMPT_TIMEOUT_MS = 2 ** 31 - 1;
const APPLICATION = 'netobserv agent';
const NOTHING: FlowAmount = { flows: 0, packets: 0, bytes: 0 };

/** Writes a pcapng file to standard output, for tcpdump and Wireshark to read along. */
export function createPcapngExporter(
  config: AgentConfig,
  deps: PacketExporterDeps,
): PacketExporter {
  const { clock, random, stdout, metrics } = deps;
  const log = deps.log.child({ component: 'stdout' });
  const delivery = new Delivery<SpoolMessage>(
    {
      ...DELIVERY_DEFAULTS,
      ...deps.delivery,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      batchesMax: batchesOf(config),
      bytesMax: SPOOL_BYTES_MAX,
    },
    {
      // In their order, and not before the reader took the one before.
      transport: { inFlightMax: 1, send: ({ bytes }) => write(stdout, bytes) },
      clock,
      log,
      random,
      metrics: declareExportMetrics(metrics, 'stdout'),
    },
  );
  const writer = new PcapngWriter(config.pcaSnapLength || CAPTURE_BYTES_MAX);
  const offer = (amount: FlowAmount): boolean => {
    const taken = delivery.offer([{ bytes: writer.bytes().slice(), amount }]);
    if (taken) writer.clear();
    else writer.takeBack();
    return taken;
  };
  return {
    async start() {
      writer.writeHeader(APPLICATION);
      offer(NOTHING);
      await delivery.start();
    },
    stop: () => delivery.stop(),
    emit(batch) {
      writer.writePackets(batch);
      return offer(packetAmount(batch, 0, batch.count));
    },
    end(lostPackets) {
      writer.writeStatistics(clock.nowMs(), { packets: lostPackets });
      offer(NOTHING);
    },
  };
}

function write(stdout: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(bytes, (cause) => {
      if (cause === null || cause === undefined) resolve();
      else {
        const message = `cannot write to standard output: ${explain(cause)}`;
        reject(new NetobservError(AGENT_ERRORS.output, message, { cause }));
      }
    });
  });
}
