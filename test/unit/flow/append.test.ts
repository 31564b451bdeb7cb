import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appendSelected, canAppend } from '../../../src/flow/append.ts';
import { BatchLayout, FlowBatch } from '../../../src/flow/batch.ts';
import { FIELDS } from '../../../src/flow/fields.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow, type Row, rowsOf } from '../../../src/flow/row.ts';
import { anyRow } from '../../support/codec/any-row.ts';

const COLUMNS = FIELDS.map(({ name, kind }) => ({ name, kind }));

function batchWith(tables: TableSpace, rows: readonly Row[], without: ReadonlySet<string>) {
  const layout = new BatchLayout(COLUMNS.filter(({ name }) => !without.has(name)));
  const batch = new FlowBatch(layout, tables.current, 64);
  for (const row of rows) appendRow(batch, row, new Map());
  return batch;
}

test('rows of any kind arrive as they were, whichever are selected', () => {
  const parts = fc.array(
    fc.record({ rows: fc.array(anyRow(), { maxLength: 6 }), keep: fc.array(fc.boolean()) }),
    { maxLength: 4 },
  );
  const missing = fc.subarray(COLUMNS.map(({ name }) => name)).map((names) => new Set(names));
  fc.assert(
    fc.property(parts, missing, (batches, without) => {
      const tables = new TableSpace();
      const into = batchWith(tables, [], new Set());
      const wanted: Row[] = [];
      for (const { rows, keep } of batches) {
        const from = batchWith(tables, rows, without);
        const chosen = rows.map((_, row) => row).filter((row) => keep[row] !== false);
        if (chosen.length < rows.length) from.selection = Uint32Array.from(chosen);
        wanted.push(...rowsOf(from));
        expect(canAppend(into, from)).toBe(true);
        appendSelected(into, from);
      }
      expect(rowsOf(into)).toEqual(wanted);
    }),
    { numRuns: 200 },
  );
});

test('rows of other tables, and more than there is room for, cannot be appended', () => {
  const tables = new TableSpace();
  const rows = Array.from({ length: 40 }, (_, index) => ({ Bytes: index + 1 }));
  const into = batchWith(tables, rows, new Set());
  expect(canAppend(into, batchWith(tables, rows, new Set()))).toBe(false);
  expect(canAppend(into, batchWith(tables, rows.slice(0, 24), new Set()))).toBe(true);
  expect(canAppend(into, batchWith(new TableSpace(), rows.slice(0, 1), new Set()))).toBe(false);
});
