import { NO_NUMBER, WordTable } from '../../base/word-table.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import { ColumnTest } from '../column-test.ts';
import { LabelValues } from '../encode/prom/label-values.ts';

/** Up to this many values that no group has are tolerated. */
const STALE_VALUES_MAX = 10_000;

/** Groups of flows with the same values, by slot, from 1 on; they outlive batches. */
export class Groups {
  readonly keys: readonly string[];
  /** After `resolve`: the rows that have a group, and the slots of their groups. */
  rows = new Uint32Array(0);
  slots = new Uint32Array(0);
  count = 0;
  /** Flows that have all keys, but whose group would be one too many. */
  rejected = 0;
  readonly #tests: readonly ColumnTest[];
  readonly #values = new LabelValues();
  readonly #tuples: WordTable;
  #words = new Uint32Array(0);

  /** `isKept`: whether a value makes a group; a flow without a value has none. */
  constructor(keys: readonly string[], limit: number, isKept: (value: string) => boolean) {
    this.keys = keys;
    this.#tests = keys.map((key) => new ColumnTest(key, false, isKept));
    this.#tuples = new WordTable(keys.length, limit);
  }

  get size(): number {
    return this.#tuples.size;
  }

  /** All slots are below. */
  get end(): number {
    return this.#tuples.end;
  }

  /** The length for arrays by slot. */
  get capacity(): number {
    return this.#tuples.capacity;
  }

  has(slot: number): boolean {
    return this.#tuples.has(slot);
  }

  /** Value of a key, given by its place in `keys`. */
  text(slot: number, key: number): string {
    return this.#values.text(this.#tuples.word(slot, key));
  }

  /** Finds the group of each selected row, or adds it. */
  resolve(batch: FlowBatch): void {
    if (this.rows.length < batch.capacity) {
      this.rows = new Uint32Array(batch.capacity);
      this.slots = new Uint32Array(batch.capacity);
      this.#words = new Uint32Array(batch.capacity * this.keys.length);
    }
    const { rows, slots } = this;
    const { selection, selected } = batch;
    if (selection !== undefined) rows.set(selection);
    else for (let row = 0; row < selected; row++) rows[row] = row;
    let count = selected;
    for (const test of this.#tests) count = test.narrow(batch, rows, count, rows);
    const stride = this.keys.length;
    for (const [at, key] of this.keys.entries()) {
      this.#values.read(batch, key, rows, count, this.#words, at, stride);
    }
    this.count = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const slot = this.#tuples.put(this.#words, row * stride);
      if (slot === NO_NUMBER) continue;
      rows[this.count] = row;
      slots[this.count++] = slot;
    }
    this.rejected = count - this.count;
    // Their values are no longer needed.
    if (this.rejected > 0) this.#compact();
  }

  /** Removes groups that are not wanted. */
  retain(isWanted: (slot: number) => boolean): void {
    let removed = 0;
    for (let slot = 1; slot < this.end; slot++) {
      if (!this.has(slot) || isWanted(slot)) continue;
      this.#tuples.release(slot);
      removed++;
    }
    if (removed > 0) this.#tuples.rehash();
    this.#compact();
  }

  /** Forgets values that no group has, once they are many. */
  #compact(): void {
    const tuples = this.#tuples;
    if (this.#values.size <= tuples.size * tuples.width + STALE_VALUES_MAX) return;
    const live: Uint32Array[] = [];
    for (let slot = 1; slot < tuples.end; slot++) {
      if (tuples.has(slot)) live.push(tuples.words(slot));
    }
    this.#values.compact(live);
    tuples.rehash();
  }
}
