import { type BatchLayout, type Column, FlowBatch } from '../../flow/batch.ts';
import type { InternTables } from '../../flow/intern.ts';

/** Free batches kept for the next ones: enough for a steady flow, few enough to idle on. */
export const POOL_FREE_BATCHES = 8;

/**
 * Batches of one layout, reused once every branch has released them, so that a steady state
 * allocates nothing. A burst takes as many as the queues hold; the surplus is garbage.
 */
export class BatchPool {
  readonly #layout: BatchLayout;
  readonly #free: FlowBatch[] = [];
  /** The pool's own batches: a source may make others, of any capacity. */
  readonly #own = new WeakSet<FlowBatch>();

  constructor(layout: BatchLayout) {
    this.#layout = layout;
  }

  take(tables: InternTables): FlowBatch {
    const batch = this.#free.pop();
    if (batch === undefined) {
      const made = new FlowBatch(this.#layout, tables);
      this.#own.add(made);
      return made;
    }
    batch.reset(tables);
    return batch;
  }

  give(batch: FlowBatch): void {
    if (this.#own.has(batch) && this.#free.length < POOL_FREE_BATCHES) this.#free.push(batch);
  }
}

/** Forks by one layout and one set of written columns, reused in the same way. */
export class ForkPool {
  readonly #layout: BatchLayout;
  readonly #written: ReadonlySet<string>;
  readonly #free: FlowBatch[] = [];

  constructor(layout: BatchLayout, written: ReadonlySet<string>) {
    this.#layout = layout;
    this.#written = written;
  }

  /** A fork that the lease returns together with its batch. */
  take(batch: FlowBatch, lease: BatchLease): FlowBatch {
    const earlier = this.#free.at(-1)?.capacity === batch.capacity ? this.#free.pop() : undefined;
    const fork = batch.fork(this.#layout, this.#written, earlier);
    lease.keep(this, fork);
    return fork;
  }

  give(fork: FlowBatch): void {
    if (this.#free.length < POOL_FREE_BATCHES) this.#free.push(fork);
  }
}

/** The outcome of a batch: rows that were lost, summed over all branches. */
export interface BatchOutcome {
  readonly lost: number;
}

interface Returnable {
  give(batch: FlowBatch): void;
}

/**
 * One batch on its way through the graph. It counts the readers of its columns, or of those of a
 * fork that shares them: the last reader returns all of them to their pools. It counts the rows
 * that branches have taken and not settled: the last one reports the outcome to the source.
 */
export class BatchLease {
  readonly #kept: (readonly [Returnable, FlowBatch])[];
  readonly #onSettled: ((outcome: BatchOutcome) => void) | undefined;
  // The graph itself counts until all branches have the batch.
  #holders = 1;
  #unsettled = 0;
  #lost = 0;
  #isOffered = false;

  constructor(batch: FlowBatch, pool: BatchPool, onSettled?: (outcome: BatchOutcome) => void) {
    this.#kept = [[pool, batch]];
    this.#onSettled = onSettled;
  }

  /** Returns a fork of the batch together with it. */
  keep(pool: Returnable, fork: FlowBatch): void {
    this.#kept.push([pool, fork]);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders > 0) return;
    for (const [pool, batch] of this.#kept) pool.give(batch);
  }

  /** A branch takes this many rows. */
  expect(rows: number): void {
    this.#unsettled += rows;
  }

  /** Rows that a branch lost at its entrance. */
  refused(rows: number): void {
    this.#lost += rows;
  }

  /** Rows of a branch are settled; so many of them are lost. */
  settle(rows: number, lost: number): void {
    this.#unsettled -= rows;
    this.#lost += lost;
    this.#notify();
  }

  /** All branches have been offered the batch. */
  offered(): void {
    this.#isOffered = true;
    this.release();
    this.#notify();
  }

  #notify(): void {
    if (this.#isOffered && this.#unsettled === 0) this.#onSettled?.({ lost: this.#lost });
  }
}

/** Memory of the columns that a batch keeps alive. */
export function batchBytes(batch: FlowBatch): number {
  let total = 0;
  for (const { name } of batch.layout.columns) {
    const column = batch.filled(name);
    if (column !== undefined) total += columnBytes(column);
  }
  return total;
}

/** An estimate for values that live on the heap. */
const ANY_VALUE_BYTES = 64;

function columnBytes(column: Column): number {
  if (column.kind === 'any') return column.values.length * ANY_VALUE_BYTES;
  const values = column.values.byteLength;
  if ('present' in column) return values + column.present.byteLength;
  return 'offsets' in column ? values + column.offsets.byteLength : values;
}
