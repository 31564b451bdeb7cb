import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { fieldByName } from '../../flow/fields.ts';
import type { AgentConfig } from '../config.ts';
import { leaveBlankOut } from './blank-flows.ts';
import { BufferPool } from './buffer-pool.ts';
import { collectorOf, MESSAGE_BYTES_MAX } from './collector.ts';
import { Delivery } from './delivery.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { amountOf, runsOf } from './messages.ts';
import { declareExportMetrics } from './metrics.ts';
import type { SpoolMessage } from './spool.ts';

const METHOD = '/pbflow.Collector/Send';
/** A single record may be above that; it is not sent when it could not arrive anyway. */
const SEND_BYTES_MAX = 64 * 2 ** 20;
/** Calls at a time: enough to fill a line whose answers take long. */
const IN_FLIGHT_MAX = 4;

/** Sends flows to a collector as `Records` of pbflow. */
export function createGrpcExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  const { clock, random, tables } = deps;
  const call = { method: METHOD, messageBytesMax: SEND_BYTES_MAX };
  const collector = collectorOf(config, deps, call);
  const pool = new BufferPool();
  const delivery = new Delivery<SpoolMessage>(collector.limits, {
    transport: {
      inFlightMax: IN_FLIGHT_MAX,
      async send({ bytes }, signal) {
        await collector.call(bytes, signal);
        // Answered, so nothing reads it any more; of a call that failed one cannot know.
        pool.give(bytes);
      },
    },
    clock,
    log: collector.log,
    random,
    metrics: declareExportMetrics(deps.metrics, 'grpc'),
  });
  const encoder = new RecordEncoder('entries');
  const encoding = {
    encode: (batch) => {
      if (!config.exportBlankFlows) leaveBlankOut(batch);
      const count = encoder.encode(batch);
      const { bytes, offsets } = encoder;
      const runs = runsOf(offsets, count, config.grpcMessageMaxFlows, MESSAGE_BYTES_MAX);
      return runs.map((run) => ({
        bytes: pool.copy(bytes, offsets[run.from]!, offsets[run.to]!),
        amount: amountOf(batch, run),
      }));
    },
    open: () => collector.open(),
    close: () => collector.close(),
  } satisfies ConstructorParameters<typeof EncodingExporter<SpoolMessage>>[0];
  const columns = deps.columns.filter(({ name }) => fieldByName(name)?.proto !== undefined);
  return new EncodingExporter(encoding, delivery, tables, columns);
}
