import { NetobservError } from '../../base/errors.ts';
import { RecordDecoder } from '../../codec/pbflow/record-decoder.ts';
import { BatchLayout, type FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { MessageTaker } from '../../net/kafka/consumer.ts';
import type { KafkaMessage } from '../../net/kafka/membership.ts';
import { PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import { KafkaOptions } from '../options/ingest/kafka.ts';
import { type Source, type StageContext, type StageType, stageType } from '../stage.ts';
import { JsonFlows } from './json-flows.ts';
import { KafkaInput } from './kafka-input.ts';
import { Refusals } from './refusals.ts';

/** How long the flows of few messages wait for others, milliseconds. */
const COALESCE_MS = 20;
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
  readonly #context: StageContext;
  readonly #input: KafkaInput;

  constructor(options: KafkaOptions, context: StageContext) {
    this.name = context.name;
    this.#context = context;
    this.isOpen = options.decoder.type === 'json';
    this.columns = FIELDS.filter(({ proto }) => this.isOpen || proto !== undefined).map(
      ({ name, kind }) => ({ name, kind }),
    );
    this.#input = new KafkaInput(options, context.path, context);
  }

  async start(inlet: Inlet): Promise<void> {
    await this.#input.start(this.#taker(inlet));
  }

  trouble(): string | undefined {
    return this.#input.trouble();
  }

  async stop(): Promise<void> {
    this.#input.stop();
  }

  close(): Promise<void> {
    return this.#input.close();
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
