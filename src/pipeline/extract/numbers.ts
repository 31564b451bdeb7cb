import type { FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';

/**
 * Puts the number of `rows[i]` at `out[i]`, NaN where there is none. Texts of numbers are numbers;
 * returns how many other values there are.
 */
export function gatherNumbers(
  batch: FlowBatch,
  field: string,
  rows: Uint32Array,
  count: number,
  out: Float64Array,
): number {
  const column = batch.filled(field);
  if (column === undefined) {
    out.fill(Number.NaN, 0, count);
    return 0;
  }
  if ('present' in column) {
    const { values, present } = column;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      out[i] = hasBit(present, row) ? values[row]! : Number.NaN;
    }
    return 0;
  }
  let failures = 0;
  for (let i = 0; i < count; i++) {
    const value = column.values[rows[i]!];
    out[i] = numberOf(value);
    if (value !== undefined && Number.isNaN(out[i])) failures++;
  }
  return failures;
}

function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
}
