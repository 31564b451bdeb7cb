import { type BatchLayout, type Column, FlowBatch } from '../../flow/batch.ts';
import type { InternTables } from '../../flow/intern.ts';

/** Free batches kept for the next ones: enough for a steady flow, little enough to idle on. */
export const POOL_FREE_BATCHES = 8;

/**
 * Batches of one layout, used again once every branch has let go of them, so that a steady state
 * allocates nothing. A burst takes as many as the queues hold; the surplus is garbage.
 */
export class BatchPool {
  readonly #layout: BatchLayout;
  readonly #free: FlowBatch[] = [];
  /** Batches of the pool's own: a source may make others, of any capacity. */
  readonly #own = new WeakSet<FlowBatch>();

  constructor(layout: BatchLayout) {
    this.#layout = layout;
  }

  get free(): number {
    return this.#free.length;
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

/** How a batch ended: rows that were lost, summed over all branches. */
export interface BatchOutcome {
  readonly lost: number;
}

/**
 * One batch on its way through the graph. Counts who still reads its columns (or those of a fork
 * that shares them): the last one returns it to the pool. Counts the rows that branches have taken
 * and not settled: with the last one the source hears of the outcome.
 */
export class BatchLease {
  readonly #batch: FlowBatch;
  readonly #pool: BatchPool;
  readonly #onSettled: ((outcome: BatchOutcome) => void) | undefined;
  // The graph itself, until all branches have the batch.
  #holders = 1;
  #unsettled = 0;
  #lost = 0;
  #isOffered = false;

  constructor(batch: FlowBatch, pool: BatchPool, onSettled?: (outcome: BatchOutcome) => void) {
    this.#batch = batch;
    this.#pool = pool;
    this.#onSettled = onSettled;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#pool.give(this.#batch);
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

/** Memory that a batch of this layout keeps alive, whoever shares it. */
export function batchBytes(batch: FlowBatch): number {
  let total = 0;
  for (const spec of batch.layout.columns) total += columnBytes(batch.column(spec.name));
  return total;
}

/** A guess for values that live on the heap. */
const ANY_VALUE_BYTES = 64;

function columnBytes(column: Column): number {
  if (column.kind === 'any') return column.values.length * ANY_VALUE_BYTES;
  const values = column.values.byteLength;
  if ('present' in column) return values + column.present.byteLength;
  return 'offsets' in column ? values + column.offsets.byteLength : values;
}
