import { explain } from '../../base/errors.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Log } from '../../telemetry/log.ts';
import type { PipelineMetrics } from '../metrics.ts';
import type { Lease, Sink } from '../stage.ts';
import type { BatchLease } from './pool.ts';

/** `in = written + filtered + dropped + inFlight`, in rows, whenever it is read. */
export interface BranchStatus {
  readonly name: string;
  readonly in: number;
  readonly written: number;
  readonly filtered: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly inFlight: number;
}

export interface BranchOptions {
  /** The behaviour while the sink has no room: rows are lost, or the source waits. */
  readonly whenFull: 'drop' | 'block';
}

export interface BranchDeps {
  readonly log: Log;
  readonly metrics: PipelineMetrics;
}

/** The end of a branch: a sink, and the accounting of all rows that arrived here. */
export class Branch {
  readonly name: string;
  readonly sink: Sink;
  readonly options: BranchOptions;
  readonly #deps: BranchDeps;
  readonly #dropped: Record<string, number> = {};
  #in = 0;
  #written = 0;
  #filtered = 0;
  /** Rows that the sink took and has not settled. */
  #inFlight = 0;
  #closed = false;

  constructor(name: string, sink: Sink, options: BranchOptions, deps: BranchDeps) {
    this.name = name;
    this.sink = sink;
    this.options = options;
    this.#deps = deps;
  }

  status(): BranchStatus {
    this.sink.settle?.();
    return {
      name: this.name,
      in: this.#in,
      written: this.#written,
      filtered: this.#filtered,
      dropped: { ...this.#dropped },
      inFlight: this.#inFlight,
    };
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.sink.start?.(signal);
  }

  /** Its sink replaces that of an earlier branch. */
  takeOver(): void {
    this.sink.takeOver?.();
  }

  /** Counts rows that earlier stages filtered out completely. */
  skip(arrived: number): void {
    this.#arrive(arrived, 0);
  }

  /** Takes the selected rows of `arrived` rows. False: they were dropped. */
  accept(batch: FlowBatch, arrived: number, shared: BatchLease): boolean {
    const rows = batch.selected;
    this.#arrive(arrived, rows);
    if (rows === 0) return true;
    if (this.#closed) {
      this.#drop('shutdown', rows);
      shared.refused(rows);
      return false;
    }
    this.#inFlight += rows;
    shared.expect(rows);
    const refusal = this.#offer(batch, new BranchLease(this, shared));
    this.#deps.metrics.queued(this.name, this.#inFlight);
    if (refusal === undefined) return true;
    this.lost(rows, refusal);
    shared.settle(rows, rows);
    return false;
  }

  /** Set while a blocking branch has no room; resolves when it has again. */
  whenRoom(): Promise<void> | undefined {
    if (this.options.whenFull === 'drop' || this.#closed) return undefined;
    return this.sink.whenRoom?.();
  }

  /** Resolves when the rows of the sink are settled, or nothing can settle them any more. */
  async drain(): Promise<void> {
    await this.sink.drain?.();
  }

  /**
   * Takes no more rows and releases the sink's rows. Returns the number of rows lost with them. An
   * error of the sink does not stop the others.
   */
  async stop(): Promise<number> {
    this.#closed = true;
    const before = this.#lost();
    try {
      await this.sink.stop?.();
    } catch (error) {
      const fields = { component: 'pipeline', branch: this.name, error: explain(error) };
      this.#deps.log.error(fields, 'sink could not stop');
    }
    if (this.#inFlight > 0) this.lost(this.#inFlight, 'shutdown');
    return this.#lost() - before;
  }

  /** Rows of a lease have arrived. */
  arrived(rows: number): void {
    this.#inFlight -= rows;
    this.#written += rows;
    this.#deps.metrics.written(this.name, rows);
    this.#deps.metrics.queued(this.name, this.#inFlight);
  }

  /** Rows of a lease are lost. */
  lost(rows: number, reason: string): void {
    this.#inFlight -= rows;
    this.#drop(reason, rows);
    this.#deps.metrics.queued(this.name, this.#inFlight);
  }

  /** The reason why the sink did not take the batch. It may settle rows before `offer` returns. */
  #offer(batch: FlowBatch, lease: Lease): 'queue_full' | 'write_failed' | undefined {
    try {
      return this.sink.offer(batch, lease) ? undefined : 'queue_full';
    } catch (error) {
      const fields = { component: 'pipeline', branch: this.name, error: explain(error) };
      this.#deps.log.error(fields, 'sink failed, flows are lost');
      return 'write_failed';
    }
  }

  #lost(): number {
    return Object.values(this.#dropped).reduce((sum, rows) => sum + rows, 0);
  }

  #arrive(arrived: number, selected: number): void {
    this.#in += arrived;
    this.#filtered += arrived - selected;
    this.#deps.metrics.arrived(this.name, arrived, arrived - selected);
  }

  #drop(reason: string, rows: number): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + rows;
    this.#deps.metrics.dropped(this.name, reason, rows);
  }
}

/** Rows of a batch at one branch: settling them counts here and for the batch. */
class BranchLease implements Lease {
  readonly #branch: Branch;
  readonly #shared: BatchLease;

  constructor(branch: Branch, shared: BatchLease) {
    this.#branch = branch;
    this.#shared = shared;
  }

  arrived(rows: number): void {
    this.#branch.arrived(rows);
    this.#shared.settle(rows, 0);
  }

  lost(rows: number, reason: string): void {
    this.#branch.lost(rows, reason);
    this.#shared.settle(rows, rows);
  }

  hold(): void {
    this.#shared.hold();
  }

  release(): void {
    this.#shared.release();
  }
}
