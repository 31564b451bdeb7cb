import { hostname } from 'node:os';
import { systemRandom } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { keptCredentials } from '../../deliver/targets/kafka-credentials.ts';
import type { Balancer } from '../../net/kafka/assigners.ts';
import type { ConsumerReport, KafkaConsumer, MessageTaker } from '../../net/kafka/consumer.ts';
import type { MembershipOptions } from '../../net/kafka/membership.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { checkedBroker, credentialsOf, KAFKA_CLIENT_ID } from '../kafka.ts';
import type { KafkaReading } from '../options/ingest/kafka.ts';
import type { StageContext } from '../stage.ts';

/** Defaults, where an option is 0. */
const PIECE_MESSAGES = 500;
const PIECES = 100;
const PARTITION_BYTES = 1_000_000;
const COMMIT_INTERVAL_MS = 500;
/** Longest wait of a broker for messages, and its default. */
const FETCH_WAIT_MAX_MS = 1000;
const BALANCERS: readonly Balancer[] = ['range', 'roundRobin'];
/** Partitions whose lag is shown. */
const LAG_PARTITIONS_MAX = 1000;

/** The messages of a topic, read as a member of a consumer group. */
export class KafkaInput {
  readonly #options: KafkaReading;
  readonly #context: StageContext;
  readonly #membership: MembershipOptions;
  readonly #shown = new Set<number>();
  #consumer: KafkaConsumer | undefined;
  #trouble: string | undefined = 'not a member of the group yet';

  /** `path` is that of the options. */
  constructor(options: KafkaReading, path: string, context: StageContext) {
    this.#options = options;
    this.#context = context;
    this.#membership = membershipOf(options, path, context);
  }

  /** Does not wait for the brokers: they may come later. */
  async start(taker: MessageTaker): Promise<void> {
    const { clock, random = systemRandom } = this.#context.deps;
    const { batchMaxLen, pullQueueCapacity, commitInterval } = this.#options;
    // Here and not at the top: pipelines without Kafka do without the library.
    const [{ KafkaConsumer: Made }, { joinGroup }] = await Promise.all([
      import('../../net/kafka/consumer.ts'),
      import('../../net/kafka/membership.ts'),
    ]);
    this.#consumer = new Made(
      {
        join: (events, signal) => joinGroup(this.#membership, events, signal),
        commitIntervalMs: commitInterval || COMMIT_INTERVAL_MS,
        pieceMessagesMax: batchMaxLen || PIECE_MESSAGES,
        piecesMax: pullQueueCapacity || PIECES,
      },
      { clock, random, report: this.#report() },
    );
    this.#consumer.start(taker);
  }

  /** Why nothing is read at the moment. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /** Passes on no more messages. */
  stop(): void {
    this.#consumer?.stop();
  }

  /** Commits what is settled, and leaves the group. */
  async close(): Promise<void> {
    await this.#consumer?.close();
  }

  #report(): ConsumerReport {
    const { counts, deps } = this.#context;
    const { log } = deps;
    const fields = { component: 'pipeline', stage: this.#context.name };
    let hasWarned = false;
    return {
      failed: (error) => {
        const why = explain(error);
        log.warn({ ...fields, error: why }, 'cannot read from Kafka, and tries again');
        counts.ingestError('connection', codeOf(error));
        this.#trouble = `cannot read from Kafka: ${why}`;
      },
      assigned: (partitions) => {
        this.#trouble = undefined;
        hasWarned = false;
        for (const partition of this.#shown) counts.lag(partition, undefined);
        this.#shown.clear();
        log.info({ ...fields, partitions: partitions.length }, 'reads its share of the topic');
      },
      lag: (partition, messages) => {
        if (!this.#shown.has(partition) && this.#shown.size === LAG_PARTITIONS_MAX) return;
        this.#shown.add(partition);
        counts.lag(partition, messages);
      },
      commitFailed: (error) => {
        counts.ingestError('commit', codeOf(error));
        if (hasWarned) return;
        hasWarned = true;
        log.warn({ ...fields, error: explain(error) }, 'offsets are not committed yet');
      },
    };
  }
}

function membershipOf(
  options: KafkaReading,
  path: string,
  { name, deps }: StageContext,
): MembershipOptions {
  const report = renewalReport(name, { log: deps.log, counts: deps.metrics });
  const { brokers, groupBalancers, batchReadTimeout } = options;
  const chosen = groupBalancers.map((balancer, index) => {
    if (balancer !== 'rackAffinity') return balancer;
    const problem = 'rackAffinity needs a rack, which cannot be set: use range or roundRobin';
    throw configError(PIPELINE_ERRORS.option, `${path}.groupBalancers[${index}]`, problem);
  });
  return {
    clientId: KAFKA_CLIENT_ID,
    brokers: brokers.map((text, index) => checkedBroker(text, `${path}.brokers[${index}]`)),
    topic: options.topic,
    groupId: options.groupid === '' ? hostname() : options.groupid,
    balancers: chosen.length === 0 ? BALANCERS : [...new Set(chosen)],
    isFromBeginning: options.startOffset === 'FirstOffset',
    partitionBytesMax: options.pullMaxBytes || PARTITION_BYTES,
    fetchWaitMs: Math.min(batchReadTimeout || FETCH_WAIT_MAX_MS, FETCH_WAIT_MAX_MS),
    credentials: keptCredentials(credentialsOf(options, path), report),
  };
}

/** The name of a library's error, as the code that a metric shows. */
function codeOf(error: unknown): string {
  if (error instanceof NetobservError) return error.code;
  return error instanceof Error ? error.name : 'ERR_INTERNAL';
}
