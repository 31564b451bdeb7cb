import type { Clock } from '../../base/clock.ts';
import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { BatchLayout, type ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import { type KafkaOptions, KafkaProducer, SEND_MAX_MS } from '../../net/kafka/producer.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { Delivery, type DeliveryLimits, type Transport } from './delivery.ts';
import type { Exporter, FlowAmount } from './exporter.ts';
import { type KafkaMessage, type RequestLimits, requestsOf } from './kafka-records.ts';
import { declareExportMetrics } from './metrics.ts';

export interface KafkaConfig {
  readonly client: KafkaOptions;
  /** Do not wait for a request before the next. */
  readonly isAsync: boolean;
  readonly request: RequestLimits;
  readonly limits: DeliveryLimits;
}

export interface KafkaDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly tables: TableSpace;
  /** What the agent can fill. */
  readonly columns: readonly ColumnSpec[];
}

/** A call has its own limits, which end earlier. */
export const KAFKA_ATTEMPT_TIMEOUT_MS = SEND_MAX_MS + 5000;

/** Requests under way without waiting for each other. */
const ASYNC_REQUESTS_MAX = 4;
/** Time for saying good-bye to the brokers. */
const CLOSE_TIMEOUT_MS = 2000;

/** Sends flows to a Kafka topic, one `pbflow.Record` per message. */
export function createKafkaExporter(config: KafkaConfig, deps: KafkaDeps): Exporter {
  return new KafkaExporter(config, deps);
}

class KafkaTransport implements Transport<KafkaMessage> {
  readonly #producer: KafkaProducer;
  readonly inFlightMax: number;

  constructor(producer: KafkaProducer, isAsync: boolean) {
    this.#producer = producer;
    // Records are stored once only if they are sent again before any others.
    this.inFlightMax = isAsync && !producer.isIdempotent ? ASYNC_REQUESTS_MAX : 1;
  }

  async send({ records }: KafkaMessage, signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#producer.discard();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await this.#producer.send(records);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

class KafkaExporter implements Exporter {
  readonly #config: KafkaConfig;
  readonly #deps: KafkaDeps;
  readonly #batch: FlowBatch;
  readonly #encoder = new RecordEncoder('bare');
  readonly #producer: KafkaProducer;
  readonly #delivery: Delivery<KafkaMessage>;

  constructor(config: KafkaConfig, deps: KafkaDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#batch = new FlowBatch(new BatchLayout(deps.columns), deps.tables.current);
    this.#producer = new KafkaProducer(config.client);
    this.#delivery = new Delivery<KafkaMessage>(config.limits, {
      ...deps,
      transport: new KafkaTransport(this.#producer, config.isAsync),
      metrics: declareExportMetrics(deps.metrics, 'kafka'),
    });
  }

  take(): FlowBatch {
    const { tables } = this.#deps;
    tables.rotateIfFull();
    this.#batch.reset(tables.current);
    return this.#batch;
  }

  emit(batch: FlowBatch): boolean {
    this.#encoder.encode(batch);
    const { partitions } = this.#producer;
    return this.#delivery.offer(requestsOf(batch, this.#encoder, partitions, this.#config.request));
  }

  backlog(): FlowAmount {
    return this.#delivery.backlog();
  }

  start(): Promise<void> {
    return this.#delivery.start();
  }

  async stop(): Promise<void> {
    await this.#delivery.stop();
    const { clock } = this.#deps;
    const closed = new AbortController();
    const late = clock.sleep(CLOSE_TIMEOUT_MS, closed.signal).catch(() => undefined);
    await Promise.race([this.#producer.close(), late]);
    closed.abort();
  }
}
