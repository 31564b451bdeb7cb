import type { FlowBatch } from '../../../../flow/batch.ts';
import type { Narrow } from '../../select.ts';

/** Conditions joined by sets of rows, which are in ascending order. `kept` may be `rows`. */

/** All rows if there are no terms. */
export function allOf(terms: readonly Narrow[]): Narrow {
  return (batch, rows, count, kept) => {
    if (terms.length === 0) {
      for (let i = 0; i < count; i++) kept[i] = rows === undefined ? i : rows[i]!;
    }
    let left = count;
    let from = rows;
    for (const term of terms) {
      left = term(batch, from, left, kept);
      from = kept;
    }
    return left;
  };
}

export function notOf(term: Narrow): Narrow {
  const scratch = new Scratch();
  return (batch, rows, count, kept) => {
    const out = scratch.rowsFor(batch);
    return without(rows, count, out, term(batch, rows, count, out), kept);
  };
}

/** Copies the rows that are not in a part of them, `part[0 .. partCount]`; returns their number. */
export function without(
  rows: Uint32Array | undefined,
  count: number,
  part: Uint32Array,
  partCount: number,
  kept: Uint32Array,
): number {
  let left = 0;
  let next = 0;
  for (let i = 0; i < count; i++) {
    const row = rows === undefined ? i : rows[i]!;
    if (next < partCount && part[next] === row) next++;
    else kept[left++] = row;
  }
  return left;
}

/** Each term sees only the rows that the terms before it have left out. */
export function anyOf(terms: readonly Narrow[]): Narrow {
  const matched = new Scratch();
  const waiting = new Scratch();
  let marks = new Uint8Array(0);
  return (batch, rows, count, kept) => {
    if (marks.length < batch.capacity) marks = new Uint8Array(batch.capacity);
    const rest = waiting.rowsFor(batch);
    const out = matched.rowsFor(batch);
    let left = count;
    for (let i = 0; i < count; i++) rest[i] = rows === undefined ? i : rows[i]!;
    for (const term of terms) {
      const found = term(batch, rest, left, out);
      for (let i = 0; i < found; i++) marks[out[i]!] = 1;
      left = without(rest, left, out, found, rest);
    }
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      if (marks[row] === 0) continue;
      marks[row] = 0;
      kept[taken++] = row;
    }
    return taken;
  };
}

/** A list of rows that is as long as a batch. */
export class Scratch {
  #rows = new Uint32Array(0);

  rowsFor(batch: FlowBatch): Uint32Array {
    if (this.#rows.length < batch.capacity) this.#rows = new Uint32Array(batch.capacity);
    return this.#rows;
  }
}
