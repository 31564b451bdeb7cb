import { BatchLayout, type ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { HealthState } from '../../telemetry/health.ts';
import type { Delivery } from './delivery.ts';
import type { Exporter, FlowAmount } from './exporter.ts';
import type { SpoolMessage } from './spool.ts';

/** What differs between exporters that encode each batch at once. */
export interface Encoding<Message extends SpoolMessage> {
  /** The messages of a batch, none of which refers to it. */
  encode(batch: FlowBatch): readonly Message[];
  /** Before the first message. */
  open(): Promise<void>;
  /** After the last one. */
  close(): Promise<void>;
}

/** One batch is enough: it is encoded before the next is taken. */
export class EncodingExporter<Message extends SpoolMessage> implements Exporter {
  readonly #encoding: Encoding<Message>;
  readonly #delivery: Delivery<Message>;
  readonly #tables: TableSpace;
  readonly #batch: FlowBatch;
  #ending: AbortSignal | undefined;
  #refusedAtEnd = 0;

  constructor(
    encoding: Encoding<Message>,
    delivery: Delivery<Message>,
    tables: TableSpace,
    columns: readonly ColumnSpec[],
  ) {
    this.#encoding = encoding;
    this.#delivery = delivery;
    this.#tables = tables;
    this.#batch = new FlowBatch(new BatchLayout(columns), tables.current);
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#ending = signal;
    await this.#encoding.open();
    await this.#delivery.start(signal);
  }

  async stop(): Promise<void> {
    await this.#delivery.stop();
    await this.#encoding.close();
  }

  take(): FlowBatch {
    this.#tables.rotateIfFull();
    this.#batch.reset(this.#tables.current);
    return this.#batch;
  }

  emit(batch: FlowBatch): boolean {
    const isTaken = !this.#delivery.isFull() && this.#delivery.offer(this.#encoding.encode(batch));
    if (!isTaken && this.#ending?.aborted === true) this.#refusedAtEnd += batch.selected;
    return isTaken;
  }

  readiness(): HealthState {
    return this.#delivery.readiness();
  }

  backlog(): FlowAmount {
    return this.#delivery.backlog();
  }

  lostAtEnd(): number {
    return this.#delivery.lostAtEnd + this.#refusedAtEnd;
  }
}
