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

  async start(): Promise<void> {
    await this.#encoding.open();
    await this.#delivery.start();
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
    if (this.#delivery.isFull()) return false;
    return this.#delivery.offer(this.#encoding.encode(batch));
  }

  readiness(): HealthState {
    return this.#delivery.readiness();
  }

  backlog(): FlowAmount {
    return this.#delivery.backlog();
  }
}
