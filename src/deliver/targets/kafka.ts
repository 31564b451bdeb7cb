import { assertExists } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { isIdempotent, type KafkaOptions, SEND_MAX_MS } from '../../net/kafka/options.ts';
import type { KafkaProducer } from '../../net/kafka/producer.ts';
import type { RenewalReport } from '../../telemetry/renewed-files.ts';
import { DELIVERY_DEFAULTS, type Target } from '../delivery.ts';
import { divide, type KafkaMessage, type RequestLimits } from '../encoders/kafka.ts';
import { keptCredentials } from './kafka-credentials.ts';

/** A call has its own limits, which end earlier. */
export const KAFKA_LIMITS = { ...DELIVERY_DEFAULTS, attemptTimeoutMs: SEND_MAX_MS + 5000 } as const;
/** Requests for one partition in progress at the same time. */
const ASYNC_REQUESTS_MAX = 4;
/** Time for closing the connections to the brokers. */
const CLOSE_TIMEOUT_MS = 2000;

export interface KafkaTargetOptions extends KafkaOptions {
  readonly limits: RequestLimits;
  /** Requests for a partition need not wait for each other, unless they are idempotent. */
  readonly isAsync: boolean;
}

export interface KafkaTargetDeps {
  readonly clock: Clock;
  readonly report: RenewalReport;
}

/** A topic; each message is a request for one partition. */
export class KafkaTarget implements Target<KafkaMessage> {
  readonly inFlightMax: number;
  readonly #options: KafkaOptions;
  #producer: KafkaProducer | undefined;
  readonly #limits: RequestLimits;
  readonly #clock: Clock;

  constructor(options: KafkaTargetOptions, { clock, report }: KafkaTargetDeps) {
    const { limits, isAsync, ...producer } = options;
    const credentials = keptCredentials(options.credentials, report);
    this.#options = { ...producer, credentials };
    this.#limits = limits;
    this.#clock = clock;
    // Records are stored once only if they are sent again before any others of their partition.
    this.inFlightMax = isAsync && !isIdempotent(producer) ? ASYNC_REQUESTS_MAX : 1;
  }

  /** Partitions of the topic, as last reported. */
  get partitions(): number | undefined {
    return this.#producer?.partitions;
  }

  /** Loads the library: programs without Kafka do without it. */
  async open(): Promise<void> {
    const kafka = await import('../../net/kafka/producer.ts');
    this.#producer = new kafka.KafkaProducer(this.#options);
  }

  // The first request connects: an unreachable broker does not prevent a start.
  async send(
    message: KafkaMessage,
    signal: AbortSignal,
  ): Promise<readonly KafkaMessage[] | undefined> {
    const producer = assertExists(this.#producer, 'the target is open');
    if (message.records === undefined) {
      return divide(message, await producer.countPartitions(signal), this.#limits);
    }
    await producer.send(message.records, signal);
    return undefined;
  }

  async close(): Promise<void> {
    const closed = new AbortController();
    const late = this.#clock.sleep(CLOSE_TIMEOUT_MS, closed.signal).catch(() => undefined);
    await Promise.race([this.#producer?.close(), late]);
    closed.abort();
  }
}
