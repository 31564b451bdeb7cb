import type { DatagramOutcome, DatagramSource } from '../../codec/exporters/datagram.ts';
import type { BatchLayout, FlowBatch } from '../../flow/batch.ts';
import type { Inlet } from '../graph/inlet.ts';
import type { StageContext } from '../stage.ts';
import { type ExporterMetrics, Exporters } from './exporters.ts';

/** Reads datagrams into batches. */
export interface DatagramReader<Outcome extends DatagramOutcome> {
  read(
    bytes: Uint8Array,
    source: DatagramSource,
    receivedMs: number,
    nowMs: number,
    room: () => FlowBatch | undefined,
  ): Outcome;
  takeMisfits(report: (field: string, values: number) => void): void;
}

/** The part of a stage that depends on its protocol. */
export interface DatagramHooks<
  Outcome extends DatagramOutcome,
  Reader extends DatagramReader<Outcome>,
> {
  /** Makes the reader for the inlet's columns, also when a reload has changed them. */
  readonly reader: (layout: BatchLayout, earlier: Reader | undefined) => Reader;
  /** Rows that a batch has room for when it is given to the reader. */
  readonly roomRows: number;
  /** Called after each datagram. */
  readonly note?: (outcome: Outcome) => void;
  /** Called every few seconds, and at the end, for counters that are not kept per datagram. */
  readonly count?: (reader: Reader) => void;
}

/** Takes the batches. */
export interface BatchTaker {
  /** A batch was begun; it stays open until it is full, or until `flush`. */
  readonly opened?: () => void;
  readonly emit: (batch: FlowBatch) => void;
}

/** The rows of datagrams, wherever these come from, with the counters of their exporters. */
export class DatagramRows<
  Outcome extends DatagramOutcome,
  Reader extends DatagramReader<Outcome> = DatagramReader<Outcome>,
> {
  readonly #context: StageContext;
  readonly #metrics: ExporterMetrics;
  readonly #hooks: DatagramHooks<Outcome, Reader>;
  readonly #inlet: Inlet;
  readonly #taker: BatchTaker;
  readonly #exporters: Exporters;
  #layout: BatchLayout;
  #reader: Reader;
  #batch: FlowBatch | undefined;
  #hasWarned = false;

  constructor(
    inlet: Inlet,
    context: StageContext,
    metrics: ExporterMetrics,
    hooks: DatagramHooks<Outcome, Reader>,
    taker: BatchTaker,
  ) {
    this.#inlet = inlet;
    this.#context = context;
    this.#metrics = metrics;
    this.#hooks = hooks;
    this.#taker = taker;
    this.#layout = inlet.layout;
    this.#reader = hooks.reader(inlet.layout, undefined);
    this.#exporters = new Exporters(context.name, metrics);
  }

  /** Reads a datagram. Without `hasRoom`, only for templates and counts; its flows are lost. */
  add(bytes: Uint8Array, source: DatagramSource, receivedMs: number, hasRoom: boolean): void {
    const stage = this.#context.name;
    if (this.#inlet.layout !== this.#layout) this.#relayout();
    const nowMs = this.#context.deps.clock.monotonicMs();
    const outcome = this.#reader.read(bytes, source, receivedMs, nowMs, () =>
      hasRoom ? this.#room() : undefined,
    );
    this.#exporters.count(source.address, outcome);
    this.#hooks.note?.(outcome);
    if (outcome.lost > 0) this.#metrics.lost.inc({ stage, reason: 'full' });
    if (outcome.problem === undefined) return;
    this.#context.counts.ingestError('decode', outcome.problem.code);
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.deps.log.warn(
      {
        ...{ component: 'pipeline', stage, exporter: source.address },
        error: outcome.problem.meaning,
      },
      'a datagram is not read to its end, and so are others like it; ingest_errors counts them',
    );
  }

  /** Passes on the open batch. */
  flush(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch === undefined) return;
    if (batch.length === 0) {
      this.#inlet.recycle(batch);
      return;
    }
    this.#context.counts.ingested(batch.length);
    this.#taker.emit(batch);
  }

  /** Forgets the rows of the open batch. */
  discard(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch !== undefined) this.#inlet.recycle(batch);
  }

  /** Passes on the counters. */
  count(): void {
    this.#exporters.flush();
    this.#takeMisfits();
    this.#hooks.count?.(this.#reader);
  }

  #relayout(): void {
    this.flush();
    this.#takeMisfits();
    this.#layout = this.#inlet.layout;
    this.#reader = this.#hooks.reader(this.#layout, this.#reader);
  }

  #takeMisfits(): void {
    const { counts } = this.#context;
    this.#reader.takeMisfits((field, values) => counts.unconverted(field, values));
  }

  #room(): FlowBatch {
    const open = this.#batch;
    if (open !== undefined && open.capacity - open.length >= this.#hooks.roomRows) return open;
    this.flush();
    const batch = this.#inlet.take();
    this.#batch = batch;
    this.#taker.opened?.();
    return batch;
  }
}
