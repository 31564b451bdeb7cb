import type { FlowBatch } from '../../flow/batch.ts';
import type { Lease } from './pool.ts';

/** A batch on its way to a sink, and what keeps its columns from being reused meanwhile. */
export interface Queued {
  readonly batch: FlowBatch;
  readonly rows: number;
  readonly bytes: number;
  readonly lease: Lease;
}

export interface RingLimits {
  readonly rows: number;
  readonly bytes: number;
}

/** First in, first out, bounded by rows and by the bytes of the columns that it keeps alive. */
export class BatchRing {
  readonly #limits: RingLimits;
  readonly #items: Queued[] = [];
  #head = 0;
  #rows = 0;
  #bytes = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  get rows(): number {
    return this.#rows;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Whether another batch would fit; an empty ring takes any batch. */
  hasRoom(rows: number, bytes: number): boolean {
    if (this.size === 0) return true;
    return this.#rows + rows <= this.#limits.rows && this.#bytes + bytes <= this.#limits.bytes;
  }

  push(item: Queued): void {
    this.#items.push(item);
    this.#rows += item.rows;
    this.#bytes += item.bytes;
  }

  shift(): Queued | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head++;
    this.#rows -= item.rows;
    this.#bytes -= item.bytes;
    // Moves what is left to the front now and then, so that a shift costs nothing on average.
    if (this.#head * 2 > this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}
