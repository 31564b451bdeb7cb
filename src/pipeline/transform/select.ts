import type { FlowBatch } from '../../flow/batch.ts';

/** Says whether a row stays. Implementations are column loops over `rows[0 .. count]`. */
export type Narrow = (
  batch: FlowBatch,
  rows: Uint32Array | undefined,
  count: number,
  kept: Uint32Array,
) => number;

/** Narrows a batch's selection; rows never move, and nothing is allocated when all of them stay. */
export class Selector {
  #kept = new Uint32Array(0);

  apply(batch: FlowBatch, narrow: Narrow): void {
    const count = batch.selected;
    if (this.#kept.length < count) this.#kept = new Uint32Array(batch.capacity);
    const left = narrow(batch, batch.selection, count, this.#kept);
    // The batch may wait in a queue, so the selection is its own.
    if (left < count) batch.selection = this.#kept.slice(0, left);
  }
}
