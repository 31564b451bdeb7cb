import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { Log } from '../../telemetry/log.ts';
import type { PipelineMetrics } from '../metrics.ts';
import type { Sink } from '../stage.ts';
import { batchBytes, type Lease } from './pool.ts';
import { BatchRing } from './ring.ts';

/** A drain of a full kernel map arrives at once, so a queue holds several of them. */
export const SINK_QUEUE_ROWS = 512 * 1024;
export const SINK_QUEUE_BYTES = 96 * 1024 * 1024;
/** What was written is made durable this often. */
export const SINK_FLUSH_INTERVAL_MS = 1000;
/** A sink that fails batch after batch is heard of this often. */
const FAILURE_LOG_INTERVAL_MS = 10_000;

/** `in = written + filtered + dropped + inFlight`, in rows, whenever it is looked at. */
export interface BranchStatus {
  readonly name: string;
  readonly in: number;
  readonly written: number;
  readonly filtered: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly inFlight: number;
}

export type DropReason = 'queue_full' | 'write_failed' | 'shutdown';

export interface BranchOptions {
  readonly whenFull: 'drop' | 'block';
  readonly queueRows: number;
  readonly queueBytes: number;
}

export interface BranchDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: PipelineMetrics;
}

/** A batch that the sink has. */
interface Writing {
  readonly written: Promise<void>;
  readonly rows: number;
  readonly lease: Lease;
}

/**
 * The end of a branch: a sink behind a bounded queue. A sink that answers at once is called at
 * once; while one is busy its batches wait here, and when the queue is full they are dropped and
 * counted, so that no sink can stall another.
 */
export class Branch {
  readonly name: string;
  readonly sink: Sink;
  readonly options: BranchOptions;
  readonly #deps: BranchDeps;
  readonly #ring: BatchRing;
  readonly #dropped: Record<string, number> = {};
  #in = 0;
  #written = 0;
  #filtered = 0;
  /** Rows that the sink has and that are not known to be written or lost. */
  #writing = 0;
  /** What was counted of a sink's own account of its rows. */
  #durable: number;
  #lost: number;
  #pump: Promise<void> | undefined;
  #closed = false;
  #dirty = false;
  #flushDue = false;
  #loggedMs = Number.NEGATIVE_INFINITY;
  #room: PromiseWithResolvers<void> | undefined;
  #timer: Disposable | undefined;

  constructor(name: string, sink: Sink, options: BranchOptions, deps: BranchDeps) {
    this.name = name;
    this.sink = sink;
    this.options = options;
    this.#deps = deps;
    this.#ring = new BatchRing({ rows: options.queueRows, bytes: options.queueBytes });
    // A sink may have had rows before this branch.
    const outcome = sink.outcome?.();
    this.#durable = outcome?.durable ?? 0;
    this.#lost = outcome?.lost ?? 0;
  }

  status(): BranchStatus {
    this.#settleBooks();
    return {
      name: this.name,
      in: this.#in,
      written: this.#written,
      filtered: this.#filtered,
      dropped: { ...this.#dropped },
      inFlight: this.#ring.rows + this.#writing,
    };
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.sink.start?.(signal);
    if (this.sink.flush === undefined) return;
    this.#timer = this.#deps.clock.every(SINK_FLUSH_INTERVAL_MS, () => this.#requestFlush());
  }

  /** Counts rows of which earlier stages left none. */
  skip(arrived: number): void {
    this.#arrive(arrived, 0);
  }

  /**
   * Takes what is selected of `arrived` rows. False: it was dropped for want of room. The lease is
   * held for as long as the sink may read the batch.
   */
  accept(batch: FlowBatch, arrived: number, lease: Lease): boolean {
    const rows = batch.selected;
    this.#arrive(arrived, rows);
    if (rows === 0) return true;
    if (this.#closed) {
      this.#drop('shutdown', rows);
      return false;
    }
    if (this.#pump === undefined) {
      this.#writeNow(batch, rows, lease);
      return true;
    }
    const bytes = batchBytes(batch);
    if (!this.#ring.hasRoom(rows, bytes)) {
      this.#drop('queue_full', rows);
      return false;
    }
    lease.hold();
    this.#ring.push({ batch, rows, bytes, lease });
    this.#deps.metrics.queued(this.name, this.#ring.rows);
    return true;
  }

  /** Set when a blocking branch has no room for another full batch; resolves when it has again. */
  whenRoom(rows: number): Promise<void> | undefined {
    if (this.options.whenFull === 'drop' || this.#closed || this.#ring.hasRoom(rows, 0)) {
      return undefined;
    }
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Resolves when the queue is empty and the sink has flushed. */
  async drain(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    while (this.#pump !== undefined) await this.#pump;
    await this.#flush();
  }

  /** Counts what the deadline left behind; returns its rows. Nothing is taken from now on. */
  close(): number {
    this.#timer?.[Symbol.dispose]();
    this.#settleBooks();
    this.#closed = true;
    let left = this.#writing;
    this.#writing = 0;
    for (let item = this.#ring.shift(); item !== undefined; item = this.#ring.shift()) {
      left += item.rows;
      item.lease.release();
    }
    if (left > 0) this.#drop('shutdown', left);
    this.#room?.resolve();
    return left;
  }

  /** Releases what the sink holds; a sink that fails in this does not keep others from it. */
  async stop(): Promise<void> {
    try {
      await this.sink.stop?.();
    } catch (error) {
      const fields = { component: 'pipeline', branch: this.name, error: explain(error) };
      this.#deps.log.error(fields, 'sink could not stop');
    }
  }

  #arrive(arrived: number, selected: number): void {
    this.#in += arrived;
    this.#filtered += arrived - selected;
    this.#deps.metrics.arrived(this.name, arrived, arrived - selected);
  }

  #writeNow(batch: FlowBatch, rows: number, lease: Lease): void {
    let written: Promise<void> | void;
    this.#writing += rows;
    try {
      written = this.sink.write(batch);
    } catch (error) {
      this.#failed(error, rows);
      return;
    }
    if (written === undefined) {
      this.#succeeded(rows);
      return;
    }
    lease.hold();
    this.#pump = this.#work({ written, rows, lease });
  }

  /** Awaits the batch that is being written, if any, then works the queue off until it is empty. */
  async #work(first: Writing | undefined): Promise<void> {
    if (first !== undefined) {
      await this.#settle(first.written, first.rows);
      first.lease.release();
    }
    while (!this.#closed) {
      if (this.#flushDue) await this.#flush();
      const item = this.#ring.shift();
      if (item === undefined) break;
      this.#writing += item.rows;
      this.#deps.metrics.queued(this.name, this.#ring.rows);
      this.#room?.resolve();
      this.#room = undefined;
      await this.#settle(startWrite(this.sink, item.batch), item.rows);
      item.lease.release();
    }
    this.#pump = undefined;
  }

  async #settle(written: Promise<void>, rows: number): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    try {
      await written;
    } catch (error) {
      failure = { error };
    }
    // After `close` the rows are counted already, whatever becomes of them.
    if (this.#closed) return;
    if (failure === undefined) this.#succeeded(rows);
    else this.#failed(failure.error, rows);
  }

  #succeeded(rows: number): void {
    this.#dirty = true;
    if (this.sink.outcome === undefined) this.#book(rows, 0);
    else this.#settleBooks();
  }

  /** Takes over what the sink says of its rows; none of them is counted before that. */
  #settleBooks(): void {
    const outcome = this.sink.outcome?.();
    // After `close` the rows are counted already.
    if (outcome === undefined || this.#closed) return;
    const durable = outcome.durable - this.#durable;
    const lost = outcome.lost - this.#lost;
    this.#durable = outcome.durable;
    this.#lost = outcome.lost;
    this.#book(durable, lost);
  }

  #book(written: number, lost: number): void {
    this.#writing -= written + lost;
    if (written > 0) {
      this.#written += written;
      this.#deps.metrics.written(this.name, written);
    }
    if (lost > 0) this.#drop('write_failed', lost);
  }

  #failed(error: unknown, rows: number): void {
    if (this.sink.outcome === undefined) this.#book(0, rows);
    else this.#settleBooks();
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#loggedMs < FAILURE_LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    this.#deps.log.error(
      { component: 'pipeline', branch: this.name, rows, error: explain(error) },
      'sink failed, flows are lost',
    );
  }

  #drop(reason: DropReason, rows: number): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + rows;
    this.#deps.metrics.dropped(this.name, reason, rows);
  }

  #requestFlush(): void {
    if (!this.#dirty) return;
    this.#flushDue = true;
    if (this.#pump !== undefined) return;
    // A flush that is due makes this yield before it ends, so `#pump` is not set too late.
    this.#pump = this.#work(undefined);
  }

  async #flush(): Promise<void> {
    this.#flushDue = false;
    if (!this.#dirty || this.sink.flush === undefined) return;
    this.#dirty = false;
    try {
      await this.sink.flush();
      this.#settleBooks();
    } catch (error) {
      this.#settleBooks();
      this.#deps.log.error(
        { component: 'pipeline', branch: this.name, error: explain(error) },
        'sink could not flush',
      );
    }
  }
}

/** A synchronous throw becomes a rejection like any other. */
async function startWrite(sink: Sink, batch: FlowBatch): Promise<void> {
  await sink.write(batch);
}
