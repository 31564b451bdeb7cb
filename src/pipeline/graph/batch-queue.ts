import type { Clock } from '../../base/clock.ts';
import { explain } from '../../base/errors.ts';
import { BATCH_CAPACITY_ROWS, type FlowBatch } from '../../flow/batch.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Lease, QueueLimits, Sink } from '../stage.ts';
import { BatchRing, type LeasePart, QUEUE_LIMITS } from './ring.ts';

/** Period in which written rows are made durable. */
export const SINK_FLUSH_INTERVAL_MS = 1000;
/** Period of log lines about a sink that keeps failing. */
const FAILURE_LOG_INTERVAL_MS = 10_000;

/** Takes whole batches, one after the other. */
export interface BatchWriter {
  readonly name: string;
  readonly reads: Sink['reads'];
  /**
   * Resolves when the next batch may be written, and rejects with a coded error when the rows are
   * lost. The batch may be read until then.
   */
  write(batch: FlowBatch): Promise<void>;
  /** Makes everything that was written durable. */
  flush?(): Promise<void>;
  /**
   * Sums of the rows of all writes, for a writer that writes later: these settle rows, in the order
   * of the writes, instead of the end of `write`. Both only grow.
   */
  outcome?(): { readonly durable: number; readonly lost: number };
}

export interface BatchQueueDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly queue?: Partial<QueueLimits>;
}

/** A sink that keeps batches in a bounded queue for a writer that takes one at a time. */
export class BatchQueue implements Sink {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads: Sink['reads'];
  readonly bounds: string;
  readonly #writer: BatchWriter;
  readonly #deps: BatchQueueDeps;
  readonly #ring: BatchRing;
  /** Rows that were written and are neither durable nor lost, in their order. */
  readonly #unsettled: LeasePart[] = [];
  #durable: number;
  #lost: number;
  #pump: Promise<void> | undefined;
  #closed = false;
  #dirty = false;
  #flushDue = false;
  #loggedMs = Number.NEGATIVE_INFINITY;
  #room: PromiseWithResolvers<void> | undefined;
  #timer: Disposable | undefined;

  constructor(writer: BatchWriter, deps: BatchQueueDeps) {
    const limits = { ...QUEUE_LIMITS, ...deps.queue };
    this.name = writer.name;
    this.reads = writer.reads;
    this.bounds = `queue ${limits.rows} rows / ${Math.round(limits.bytes / 2 ** 20)} MiB`;
    this.#writer = writer;
    this.#deps = deps;
    this.#ring = new BatchRing(limits);
    // The writer may have written rows before.
    const outcome = writer.outcome?.();
    this.#durable = outcome?.durable ?? 0;
    this.#lost = outcome?.lost ?? 0;
  }

  async start(): Promise<void> {
    if (this.#writer.flush === undefined) return;
    this.#timer = this.#deps.clock.every(SINK_FLUSH_INTERVAL_MS, () => this.#requestFlush());
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    if (this.#closed) return false;
    if (this.#pump !== undefined) return this.#ring.push(batch, lease);
    lease.hold();
    this.#pump = this.#work({ batch, parts: [{ lease, rows: batch.selected }], held: lease });
    return true;
  }

  whenRoom(): Promise<void> | undefined {
    if (this.#closed || this.#pump === undefined || this.#ring.hasRoom(BATCH_CAPACITY_ROWS))
      return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Applies the writer's sums, so that the accounting is up to date. */
  settle(): void {
    const outcome = this.#writer.outcome?.();
    if (outcome === undefined) return;
    this.#lose(outcome.lost - this.#lost);
    this.#lost = outcome.lost;
    this.#arrive(outcome.durable - this.#durable);
    this.#durable = outcome.durable;
  }

  async drain(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    while (this.#pump !== undefined) await this.#pump;
    await this.#flush();
  }

  async stop(): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#closed = true;
    this.#room?.resolve();
    for (const { lease, rows } of this.#unsettled.splice(0)) lease.lost(rows, 'shutdown');
    for (let item = this.#ring.shift(); item !== undefined; item = this.#ring.shift()) {
      for (const { lease, rows } of item.parts) lease.lost(rows, 'shutdown');
      item.held?.release();
    }
  }

  /** Writes the first item, if any, then all items of the queue until it is empty. */
  async #work(first: WriteItem | undefined): Promise<void> {
    if (first !== undefined) await this.#write(first);
    while (!this.#closed) {
      if (this.#flushDue) await this.#flush();
      const item = this.#ring.shift();
      if (item === undefined) break;
      if (this.#room !== undefined && this.#ring.hasRoom(BATCH_CAPACITY_ROWS)) {
        this.#room.resolve();
        this.#room = undefined;
      }
      await this.#write(item);
    }
    this.#pump = undefined;
  }

  async #write({ batch, parts, held }: WriteItem): Promise<void> {
    const { outcome } = this.#writer;
    this.#unsettled.push(...parts);
    const rows = parts.reduce((sum, part) => sum + part.rows, 0);
    try {
      await this.#writer.write(batch);
      if (outcome === undefined) this.#arrive(rows);
      else this.settle();
    } catch (error) {
      if (outcome === undefined) this.#lose(rows);
      else this.settle();
      this.#reportFailure(error, rows);
    }
    this.#dirty = true;
    held?.release();
  }

  #arrive(rows: number): void {
    for (let left = rows; left > 0; ) left -= this.#take(left, (part, n) => part.lease.arrived(n));
  }

  #lose(rows: number): void {
    for (let left = rows; left > 0; ) {
      left -= this.#take(left, (part, n) => part.lease.lost(n, 'write_failed'));
    }
  }

  /** Settles up to `rows` rows of the oldest part. Returns their number. */
  #take(rows: number, settle: (part: LeasePart, rows: number) => void): number {
    const part = this.#unsettled[0];
    // After `stop`, and for rows that the writer got from others, nothing is left to settle.
    if (part === undefined) return rows;
    const count = Math.min(rows, part.rows);
    if (count === part.rows) this.#unsettled.shift();
    else this.#unsettled[0] = { lease: part.lease, rows: part.rows - count };
    settle(part, count);
    return count;
  }

  #reportFailure(error: unknown, rows: number): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (nowMs - this.#loggedMs < FAILURE_LOG_INTERVAL_MS) return;
    this.#loggedMs = nowMs;
    this.#deps.log.error(
      { component: 'pipeline', branch: this.name, rows, error: explain(error) },
      'sink failed, flows are lost',
    );
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
    if (!this.#dirty || this.#writer.flush === undefined) return;
    this.#dirty = false;
    try {
      await this.#writer.flush();
    } catch (error) {
      const fields = { component: 'pipeline', branch: this.name, error: explain(error) };
      this.#deps.log.error(fields, 'sink could not flush');
    }
    this.settle();
  }
}

interface WriteItem {
  readonly batch: FlowBatch;
  readonly parts: readonly LeasePart[];
  readonly held: Lease | undefined;
}
