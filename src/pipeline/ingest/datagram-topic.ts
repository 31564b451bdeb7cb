import { NetobservError } from '../../base/errors.ts';
import type { DatagramOutcome } from '../../codec/exporters/datagram.ts';
import { EnvelopeReader } from '../../codec/exporters/envelope.ts';
import type { KafkaMessage } from '../../net/kafka/membership.ts';
import { PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import { type DatagramHooks, type DatagramReader, DatagramRows } from './datagram-rows.ts';
import type { ExporterMetrics } from './exporters.ts';
import type { KafkaInput } from './kafka-input.ts';
import { Refusals } from './refusals.ts';

/** Batches of one piece of messages that are not settled, and the work that makes more. */
interface Piece {
  open: number;
  readonly onSettled: () => void;
}

/**
 * Datagrams from a topic to an inlet. They can wait: while a branch that blocks is full, no more
 * are read. Messages are acknowledged when their flows are settled.
 */
export class DatagramTopicReader<
  Outcome extends DatagramOutcome,
  Reader extends DatagramReader<Outcome>,
> {
  readonly rows: DatagramRows<Outcome, Reader>;
  readonly #inlet: Inlet;
  readonly #input: KafkaInput;
  readonly #refusals: Refusals;
  readonly #envelope = new EnvelopeReader();
  readonly #stopping = Promise.withResolvers<void>();
  #isStopping = false;
  /** The stage stopped while a branch was full. */
  #isGivenUp = false;
  #piece: Piece | undefined;
  #working: Promise<void> | undefined;

  constructor(
    input: KafkaInput,
    inlet: Inlet,
    context: StageContext,
    {
      metrics,
      hooks,
    }: {
      readonly metrics: ExporterMetrics;
      readonly hooks: DatagramHooks<Outcome, Reader>;
    },
  ) {
    this.#inlet = inlet;
    this.#input = input;
    this.#refusals = new Refusals(context, 'a message');
    this.rows = new DatagramRows(inlet, context, metrics, hooks, {
      emit: (batch) => {
        const piece = this.#piece!;
        piece.open++;
        inlet.emit(batch, () => settle(piece));
      },
    });
  }

  async start(): Promise<void> {
    await this.#input.start({
      whenReady: () => this.#working ?? this.#inlet.whenReady(),
      take: (messages, onSettled) => {
        this.#working = this.#work(messages, onSettled).finally(() => {
          this.#working = undefined;
        });
      },
    });
  }

  /** Messages that still wait for room are not read, and stay unacknowledged. */
  async stop(): Promise<void> {
    this.#input.stop();
    this.#isStopping = true;
    this.#stopping.resolve();
    await this.#working;
  }

  async #work(messages: readonly KafkaMessage[], onSettled: () => void): Promise<void> {
    // The work itself holds the piece open.
    const piece: Piece = { open: 1, onSettled };
    this.#piece = piece;
    for (const message of messages) {
      await this.#room();
      if (this.#isGivenUp) break;
      this.#add(message);
    }
    await this.#room();
    if (this.#isGivenUp) {
      this.rows.discard();
      return;
    }
    this.rows.flush();
    settle(piece);
  }

  /** Undefined: there is room now. Otherwise it resolves when there is, or the stage stops. */
  #room(): Promise<void> | undefined {
    return this.#inlet.whenReady() === undefined ? undefined : this.#waitForRoom();
  }

  async #waitForRoom(): Promise<void> {
    for (;;) {
      const wait = this.#inlet.whenReady();
      if (wait === undefined) return;
      await Promise.race([wait, this.#stopping.promise]);
      if (this.#isStopping && this.#inlet.whenReady() !== undefined) {
        this.#isGivenUp = true;
        return;
      }
    }
  }

  #add({ offset, value }: KafkaMessage): void {
    const envelope = this.#envelope;
    try {
      if (value === null || value.length === 0) {
        throw new NetobservError(PIPELINE_ERRORS.messageEmpty, 'the message has no contents');
      }
      envelope.open(value as Uint8Array<ArrayBuffer>);
    } catch (error) {
      this.#refusals.refuse(error, { offset: Number(offset) });
      return;
    }
    this.rows.add(envelope.payload, envelope, envelope.receivedMs, true);
  }
}

function settle(piece: Piece): void {
  if (--piece.open === 0) piece.onSettled();
}
