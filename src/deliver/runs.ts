import type { FlowBatch } from '../flow/batch.ts';
import { hasBit } from '../flow/bits.ts';
import type { FlowAmount } from './message.ts';

/** Selected rows of a batch, by their position among the selected ones. */
export interface Run {
  readonly from: number;
  readonly to: number;
}

/**
 * Cuts `count` records into runs of at most `flowsMax` records and `bytesMax` bytes; record `r` has
 * the bytes from `offsets[r]` to `offsets[r + 1]`. A larger record is a run of its own.
 */
export function runsOf(
  offsets: Uint32Array,
  count: number,
  flowsMax: number,
  bytesMax: number,
): readonly Run[] {
  const runs: Run[] = [];
  for (let from = 0; from < count; ) {
    let to = from + 1;
    const limit = Math.min(count, from + flowsMax);
    while (to < limit && offsets[to + 1]! - offsets[from]! <= bytesMax) to++;
    runs.push({ from, to });
    from = to;
  }
  return runs;
}

/** Sums over the flows of a run. */
export function amountOf(batch: FlowBatch, { from, to }: Run): FlowAmount {
  const sum = (name: string): number =>
    batch.has(name) ? sumRows(batch.f64(name), batch.present(name), batch.selection, from, to) : 0;
  return { flows: to - from, packets: sum('Packets'), bytes: sum('Bytes') };
}

function sumRows(
  values: Float64Array,
  present: Uint32Array,
  selection: Uint32Array | undefined,
  from: number,
  to: number,
): number {
  let sum = 0;
  for (let i = from; i < to; i++) {
    const row = selection === undefined ? i : selection[i]!;
    if (hasBit(present, row)) sum += values[row]!;
  }
  return sum;
}
