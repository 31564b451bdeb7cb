import { appendSelected, canAppend, isSmall } from '../../flow/append.ts';
import { FlowBatch } from '../../flow/batch.ts';
import type { Lease, QueueLimits } from '../stage.ts';
import { batchBytes } from './pool.ts';

/** A drain of a full kernel map arrives at once, so a queue holds several of them. */
export const QUEUE_LIMITS: QueueLimits = { rows: 512 * 1024, bytes: 96 * 2 ** 20 };

/** Rows of one lease in a queued batch. */
export interface LeasePart {
  readonly lease: Lease;
  readonly rows: number;
}

/** A waiting batch, and the leases of its rows in their order. */
export interface Queued {
  readonly batch: FlowBatch;
  readonly parts: LeasePart[];
  readonly bytes: number;
  /** The lease that keeps the columns; undefined for the queue's own batch. */
  readonly held: Lease | undefined;
}

/**
 * First in, first out, bounded by rows and by the bytes of its columns.
 *
 * A batch of few rows would keep as much memory as a full one, so small batches are copied into one
 * batch of the queue, up to its capacity.
 */
export class BatchRing {
  readonly #limits: QueueLimits;
  readonly #items: Queued[] = [];
  #head = 0;
  #rows = 0;
  #bytes = 0;

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  get rows(): number {
    return this.#rows;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** An empty ring takes any batch, and the last one may exceed the limit of bytes. */
  hasRoom(rows: number): boolean {
    if (this.size === 0) return true;
    return this.#rows + rows <= this.#limits.rows && this.#bytes < this.#limits.bytes;
  }

  /** False: there is no room. The lease is held if the batch itself was kept. */
  push(batch: FlowBatch, lease: Lease): boolean {
    const rows = batch.selected;
    if (!this.hasRoom(rows)) return false;
    const isMerged = isSmall(batch);
    if (isMerged && this.#appended(batch, lease)) return true;
    const bytes = batchBytes(batch);
    this.#bytes += bytes;
    this.#rows += rows;
    const parts = [{ lease, rows }];
    if (isMerged) {
      const own = new FlowBatch(batch.layout, batch.tables, batch.capacity);
      appendSelected(own, batch);
      this.#items.push({ batch: own, parts, bytes, held: undefined });
    } else {
      lease.hold();
      this.#items.push({ batch, parts, bytes, held: lease });
    }
    return true;
  }

  shift(): Queued | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    this.#bytes -= item.bytes;
    this.#rows -= item.batch.selected;
    // Moves the rest to the front only now and then, so that a shift is cheap on average.
    if (this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }

  #appended(batch: FlowBatch, lease: Lease): boolean {
    const last = this.size === 0 ? undefined : this.#items.at(-1);
    if (last === undefined || last.held !== undefined) return false;
    if (last.batch.layout !== batch.layout) return false;
    if (!canAppend(last.batch, batch)) return false;
    appendSelected(last.batch, batch);
    last.parts.push({ lease, rows: batch.selected });
    this.#rows += batch.selected;
    return true;
  }
}
