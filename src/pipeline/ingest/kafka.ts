import { hostname } from 'node:os';
import { systemRandom } from '../../base/clock.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { RecordDecoder } from '../../codec/pbflow/record-decoder.ts';
import { keptCredentials } from '../../deliver/targets/kafka-credentials.ts';
import { BatchLayout, type FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { Balancer } from '../../net/kafka/assigners.ts';
import type { ConsumerReport, KafkaConsumer, MessageTaker } from '../../net/kafka/consumer.ts';
import type { KafkaMessage, MembershipOptions } from '../../net/kafka/membership.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { checkedBroker, credentialsOf, KAFKA_CLIENT_ID } from '../kafka.ts';
import { KafkaOptions } from '../options/ingest/kafka.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';
import { JsonFlows } from './json-flows.ts';
import { Refusals } from './refusals.ts';

/** How long the flows of few messages wait for others, milliseconds. */
const COALESCE_MS = 20;
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

/** Flows from a topic of Kafka, one in a message. */
export const kafkaIngest: StageType = stageType({
  section: 'ingest',
  type: 'kafka',
  schema: KafkaOptions,
  create: (options, context) => new KafkaSource(options, context),
});

/** Adds the flows of messages to batches. */
interface MessageReader {
  /** The batch has room. Throws a coded error for what is not a flow, and adds nothing then. */
  add(batch: FlowBatch, message: Uint8Array<ArrayBuffer>): void;
  count(batch: FlowBatch): void;
}

class KafkaSource implements Source {
  readonly kind = 'source';
  readonly name: string;
  readonly columns: Source['columns'];
  readonly isOpen: boolean;
  readonly coalesceMs = COALESCE_MS;
  readonly #options: KafkaOptions;
  readonly #context: StageContext;
  readonly #membership: MembershipOptions;
  readonly #shown = new Set<number>();
  #consumer: KafkaConsumer | undefined;
  #trouble: string | undefined = 'not a member of the group yet';

  constructor(options: KafkaOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#context = context;
    this.isOpen = options.decoder.type === 'json';
    this.columns = FIELDS.filter(({ proto }) => this.isOpen || proto !== undefined).map(
      ({ name, kind }) => ({ name, kind }),
    );
    this.#membership = membershipOf(options, context);
  }

  /** Does not wait for the brokers: they may come later. */
  async start(inlet: Inlet): Promise<void> {
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
    this.#consumer.start(this.#taker(inlet));
  }

  trouble(): string | undefined {
    return this.#trouble;
  }

  async stop(): Promise<void> {
    this.#consumer?.stop();
  }

  async close(): Promise<void> {
    await this.#consumer?.close();
  }

  #taker(inlet: Inlet): MessageTaker {
    const reader = this.isOpen
      ? new JsonMessages(this.#context)
      : new RecordMessages(this.#context);
    const refusals = new Refusals(this.#context, 'a message');
    return {
      whenReady: () => inlet.whenReady(),
      take(messages, onSettled) {
        const batch = inlet.take();
        for (const message of messages) addMessage(reader, batch, message, refusals);
        if (batch.length === 0) {
          inlet.recycle(batch);
          onSettled();
          return;
        }
        reader.count(batch);
        inlet.emit(batch, onSettled);
      },
    };
  }

  #report(): ConsumerReport {
    const { counts, deps } = this.#context;
    const { log } = deps;
    const fields = { component: 'pipeline', stage: this.name };
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

function membershipOf(options: KafkaOptions, context: StageContext): MembershipOptions {
  const { path, name, deps } = context;
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

function addMessage(
  reader: MessageReader,
  batch: FlowBatch,
  { offset, value }: KafkaMessage,
  refusals: Refusals,
): void {
  try {
    if (value === null || value.length === 0) {
      throw new NetobservError(PIPELINE_ERRORS.messageEmpty, 'the message has no contents');
    }
    reader.add(batch, value as Uint8Array<ArrayBuffer>);
  } catch (error) {
    refusals.refuse(error, { offset: Number(offset) });
  }
}

class JsonMessages implements MessageReader {
  readonly #flows: JsonFlows;

  constructor(context: StageContext) {
    this.#flows = new JsonFlows(context);
  }

  add(batch: FlowBatch, message: Uint8Array): void {
    this.#flows.add(batch, message);
  }

  count(batch: FlowBatch): void {
    this.#flows.count(batch);
  }
}

class RecordMessages implements MessageReader {
  readonly #context: StageContext;
  #decoder = new RecordDecoder(new BatchLayout([]));
  #layout: BatchLayout | undefined;

  constructor(context: StageContext) {
    this.#context = context;
  }

  add(batch: FlowBatch, message: Uint8Array<ArrayBuffer>): void {
    if (batch.layout !== this.#layout) {
      this.#layout = batch.layout;
      this.#decoder = new RecordDecoder(batch.layout);
    }
    this.#decoder.decode(message, batch, this.#context.deps.clock.nowMs());
  }

  count({ length }: FlowBatch): void {
    this.#context.counts.ingested(length);
  }
}

/** The name of a library's error, as the code that a metric shows. */
function codeOf(error: unknown): string {
  if (error instanceof NetobservError) return error.code;
  return error instanceof Error ? error.name : 'ERR_INTERNAL';
}
