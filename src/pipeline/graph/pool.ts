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

/** Counts who still reads a batch (or a fork that shares its columns); the last one returns it. */
export class Lease {
  readonly #batch: FlowBatch;
  readonly #pool: BatchPool;
  #holders = 1;

  constructor(batch: FlowBatch, pool: BatchPool) {
    this.#batch = batch;
    this.#pool = pool;
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    if (--this.#holders === 0) this.#pool.give(this.#batch);
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
