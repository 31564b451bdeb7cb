import { NetobservError } from '../../base/errors.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import { PIPELINE_ERRORS } from '../errors.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import type { Refusals } from './refusals.ts';

/** When a sender that is sent away may try again. */
const RETRY_AFTER_MS = 1000;
/** Bytes of messages that wait for room; a larger message waits alone. */
const WAITING_BYTES_MAX = 64 * 2 ** 20;
const NOTHING = new Uint8Array(0);

/** Turns messages into flows. */
export interface MessageReader {
  open(message: Uint8Array<ArrayBuffer>): void;
  /**
   * Adds flows until the batch is full or the message has no more; true: more remain. Throws a
   * coded error for a damaged message.
   */
  next(batch: FlowBatch, nowMs: number): boolean;
  /** Counts the flows of a batch that is about to be emitted. */
  count(batch: FlowBatch): void;
  /** The answer to a message that has been read. Default: an empty one. */
  answer?(): Uint8Array;
}

export type MessageReaderOf = (
  layout: BatchLayout,
  context: StageContext,
  refusals: Refusals,
) => MessageReader;

/** The reader for the inlet's columns: a reload may change them. */
export type PresentReader = () => MessageReader;

/** Takes the messages of servers for flows: each is emitted, waits for room, or is refused. */
export class Intake {
  readonly #inlet: Inlet;
  readonly #context: StageContext;
  readonly #refusals: Refusals;
  readonly #waitingMax: number;
  /** Messages that wait for room. */
  #waiting = 0;
  #waitingBytes = 0;
  #isClosed = false;

  constructor(
    inlet: Inlet,
    context: StageContext,
    refusals: Refusals,
    options: { readonly bufferLength: number },
  ) {
    this.#inlet = inlet;
    this.#context = context;
    this.#refusals = refusals;
    this.#waitingMax = options.bufferLength;
  }

  reader(make: MessageReaderOf): PresentReader {
    let layout = this.#inlet.layout;
    let reader = make(layout, this.#context, this.#refusals);
    return () => {
      if (layout !== this.#inlet.layout) {
        layout = this.#inlet.layout;
        reader = make(layout, this.#context, this.#refusals);
      }
      return reader;
    };
  }

  /**
   * Emits the flows of a message and returns the answer to it. While a branch that blocks is full,
   * the sender waits. Throws a coded error for a message that is refused as a whole.
   */
  async take(reader: PresentReader, message: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    let wait = this.#inlet.whenReady();
    if (wait !== undefined) {
      if (this.#waiting >= this.#waitingMax) {
        throw this.#busy(`${this.#waiting} calls are waiting for room already: try again`);
      }
      if (this.#waiting > 0 && this.#waitingBytes + message.length > WAITING_BYTES_MAX) {
        throw this.#busy(`calls of ${this.#waitingBytes} bytes are waiting for room: try again`);
      }
      this.#waiting++;
      this.#waitingBytes += message.length;
      for (; wait !== undefined && !this.#isClosed; wait = this.#inlet.whenReady()) await wait;
      this.#waiting--;
      this.#waitingBytes -= message.length;
    }
    if (this.#isClosed) throw this.#busy('the stage ends: try again');
    return this.#decode(reader(), message);
  }

  /** Counts a message that its server refuses. */
  refuse(error: NetobservError): void {
    this.#refusals.refuse(error, {});
  }

  /** Nothing is emitted afterwards. */
  close(): void {
    this.#isClosed = true;
  }

  #busy(problem: string): NetobservError {
    this.#context.counts.ingestError('full', PIPELINE_ERRORS.busy.code);
    const details = { retryAfterMs: RETRY_AFTER_MS };
    return new NetobservError(PIPELINE_ERRORS.busy, problem, { details });
  }

  #decode(reader: MessageReader, message: Uint8Array<ArrayBuffer>): Uint8Array {
    const inlet = this.#inlet;
    const nowMs = this.#context.deps.clock.nowMs();
    const batches = [inlet.take()];
    try {
      reader.open(message);
      while (reader.next(batches.at(-1)!, nowMs)) batches.push(inlet.take());
    } catch (error) {
      // The sender counts the whole message as lost, so none of it may arrive.
      for (const batch of batches) inlet.recycle(batch);
      this.#refusals.refuse(error, {});
      throw error;
    }
    for (const batch of batches) {
      if (batch.length === 0) inlet.recycle(batch);
      else {
        reader.count(batch);
        inlet.emit(batch);
      }
    }
    return reader.answer?.() ?? NOTHING;
  }
}
