import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { fieldByName } from '../../flow/fields.ts';
import { KafkaProducer, SEND_MAX_MS } from '../../net/kafka/producer.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import type { AgentConfig } from '../config.ts';
import { leaveBlankOut } from './blank-flows.ts';
import { DELIVERY_DEFAULTS, Delivery, type Transport } from './delivery.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { kafkaOptionsOf } from './kafka-config.ts';
import { divide, type KafkaMessage, type RequestLimits, requestsOf } from './kafka-records.ts';
import { keptCredentials } from './kept-credentials.ts';
import { declareExportMetrics } from './metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX } from './spool.ts';

/** A call has its own limits, which end earlier. */
const ATTEMPT_TIMEOUT_MS = SEND_MAX_MS + 5000;
/** Requests for one partition that are under way without waiting for each other. */
const ASYNC_REQUESTS_MAX = 4;
/** Time for saying good-bye to the brokers. */
const CLOSE_TIMEOUT_MS = 2000;

/** Sends flows to a Kafka topic, one `pbflow.Record` per message. */
export function createKafkaExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  const { clock, random, tables } = deps;
  const log = deps.log.child({ component: 'kafka' });
  const options = kafkaOptionsOf(config);
  const report = renewalReport('kafka', { log, counts: deps.metrics });
  const credentials = keptCredentials(options.credentials, report);
  const producer = new KafkaProducer({ ...options, credentials });
  const limits = { messagesMax: config.kafkaBatchMessages, bytesMax: config.kafkaBatchSizeBytes };
  const delivery = new Delivery<KafkaMessage>(
    {
      ...DELIVERY_DEFAULTS,
      attemptTimeoutMs: ATTEMPT_TIMEOUT_MS,
      ...deps.delivery,
      batchesMax: batchesOf(config),
      bytesMax: SPOOL_BYTES_MAX,
    },
    {
      transport: transportOf(producer, limits, config.kafkaAsync),
      clock,
      random,
      log,
      metrics: declareExportMetrics(deps.metrics, 'kafka'),
    },
  );
  const encoder = new RecordEncoder('bare');
  const encoding = {
    encode: (batch: FlowBatch) => {
      if (!config.exportBlankFlows) leaveBlankOut(batch);
      encoder.encode(batch);
      return requestsOf(batch, encoder, producer.partitions, limits);
    },
    // The first request connects: a broker that is away keeps nobody from starting.
    open: async () => undefined,
    close: async () => {
      const closed = new AbortController();
      const late = clock.sleep(CLOSE_TIMEOUT_MS, closed.signal).catch(() => undefined);
      await Promise.race([producer.close(), late]);
      closed.abort();
    },
  };
  const columns = deps.columns.filter(({ name }) => fieldByName(name)?.proto !== undefined);
  return new EncodingExporter(encoding, delivery, tables, columns);
}

function transportOf(
  producer: KafkaProducer,
  limits: RequestLimits,
  isAsync: boolean,
): Transport<KafkaMessage> {
  return {
    // Records are stored once only if they are sent again before any others of their partition.
    inFlightMax: isAsync && !producer.isIdempotent ? ASYNC_REQUESTS_MAX : 1,

    async send(message, signal) {
      if (message.records !== undefined) return producer.send(message.records, signal);
      return divide(message, await producer.countPartitions(signal), limits);
    },
  };
}
