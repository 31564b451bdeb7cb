import { type BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import type { InternTables } from '../../../src/flow/intern.ts';
import { appendRow, type CoercionFailures, type Row } from '../../../src/flow/row.ts';

/** A new batch with these flows. Keys without a column are ignored. */
export function batchOf(
  layout: BatchLayout,
  tables: InternTables,
  rows: readonly Row[],
  failures: CoercionFailures = new Map(),
): FlowBatch {
  const batch = new FlowBatch(layout, tables, Math.max(rows.length, 1));
  for (const row of rows) appendRow(batch, row, failures);
  return batch;
}
