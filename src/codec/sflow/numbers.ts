import { assert } from '../../base/assert.ts';
import type {
  BatchLayout,
  F64Column,
  FlowBatch,
  U8Column,
  U16Column,
  U32Column,
} from '../../flow/batch.ts';
import { setBit } from '../../flow/bits.ts';
import { WHOLE_NUMBER_MAX } from '../../flow/field.ts';

/** Most numbers of one part of a datagram: their presence is one word. */
const SLOTS_MAX = 32;

/**
 * Numbers by slot, and which of them are there, a bit for each slot: clearing and passing over
 * absent ones cost nothing.
 */
export class Numbers {
  readonly values: Float64Array;
  present = 0;

  constructor(names: readonly string[]) {
    assert(names.length <= SLOTS_MAX, `${names.length} slots are more than ${SLOTS_MAX}`);
    this.values = new Float64Array(names.length);
  }

  clear(): void {
    this.present = 0;
  }

  has(slot: number): boolean {
    return ((this.present >>> slot) & 1) === 1;
  }

  set(slot: number, value: number): void {
    this.values[slot] = value;
    this.present |= 1 << slot;
  }
}

type NumberColumn = U8Column | U16Column | U32Column | F64Column;

/** Writes numbers into the columns of one layout; those without a column are passed over. */
export class NumberColumns {
  readonly #misfits: Uint32Array;
  /** The slots that have a column, a bit for each. */
  readonly #wanted: number;
  /** By slot: the place of the column in the layout, and the largest number in it. */
  readonly #places: readonly number[];
  readonly #most: readonly number[];
  #batch: FlowBatch | undefined;
  /** By slot: columns of the batch that numbers were written to. */
  readonly #columns: (NumberColumn | undefined)[];

  /** `misfits`: numbers that do not fit the kind of their column, counted by its place. */
  constructor(layout: BatchLayout, names: readonly string[], misfits: Uint32Array) {
    const limits: Readonly<Record<string, number>> = WHOLE_NUMBER_MAX;
    this.#misfits = misfits;
    this.#places = names.map((name) => layout.indexOf(name));
    this.#wanted = this.#places.reduce((bits, at, slot) => (at < 0 ? bits : bits | (1 << slot)), 0);
    this.#most = names.map((name) => limits[layout.kindOf(name) ?? ''] ?? Number.MAX_VALUE);
    this.#columns = names.map(() => undefined);
  }

  add({ values, present }: Numbers, batch: FlowBatch, row: number): void {
    // A batch that is used again may have other columns.
    if (batch !== this.#batch || row === 0) {
      this.#batch = batch;
      this.#columns.fill(undefined);
    }
    for (let rest = present & this.#wanted; rest !== 0; rest &= rest - 1) {
      const slot = 31 - Math.clz32(rest & -rest);
      const value = values[slot]!;
      const column = this.#columns[slot] ?? this.#open(slot, batch);
      if (column === undefined || value > this.#most[slot]!) {
        this.#misfits[this.#places[slot]!]!++;
        continue;
      }
      column.values[row] = value;
      setBit(column.present, row);
    }
  }

  /** Writes the same numbers into several rows. */
  fill({ values, present }: Numbers, batch: FlowBatch, from: number, to: number): void {
    for (let slot = 0; slot < values.length; slot++) {
      if (((present & this.#wanted) >>> slot) % 2 === 0) continue;
      const column = this.#open(slot, batch);
      const value = values[slot]!;
      if (column === undefined || value > this.#most[slot]!) {
        this.#misfits[this.#places[slot]!]! += to - from;
        continue;
      }
      for (let row = from; row < to; row++) {
        column.values[row] = value;
        setBit(column.present, row);
      }
    }
  }

  #open(slot: number, batch: FlowBatch): NumberColumn | undefined {
    const column = batch.columnAt(this.#places[slot]!);
    if (!('present' in column)) return undefined;
    this.#columns[slot] = column;
    return column;
  }
}
