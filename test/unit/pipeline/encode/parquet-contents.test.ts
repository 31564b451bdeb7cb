import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { BatchLayout, EXTRAS } from '../../../../src/flow/batch.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { Row } from '../../../../src/flow/row.ts';
import { ParquetContents } from '../../../../src/pipeline/encode/parquet-contents.ts';
import { anyRow } from '../../../support/codec/any-row.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { parquetColumns, parquetRows } from '../../../support/store/parquet-rows.ts';

/** Files are read by DuckDB, which shares no code with their writer. */

const folder = mkdtempSync(join(tmpdir(), 'netobserv-parquet-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'flows.parquet');

const columns = FIELDS.map(({ name, kind }) => ({ name, kind }));
const everything = new BatchLayout([...columns, { name: EXTRAS, kind: 'any' }]);

/** An object of flows that come in batches of different generations of tables. */
async function writeFile(batches: readonly (readonly Row[])[]): Promise<void> {
  const contents = new ParquetContents();
  await contents.open();
  for (const rows of batches) {
    const count = contents.encode(batchOf(everything, new TableSpace().current, rows));
    contents.add(0, count);
  }
  writeFileSync(path, contents.close());
}

test('every field of every flow comes back, absent ones as null', async () => {
  const flows = fc.array(anyRow(), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(flows, { minLength: 1, maxLength: 3 }), async (batches) => {
      await writeFile(batches);
      expect(await parquetRows(path)).toEqual(batches.flat());
    }),
    { numRuns: 12 },
  );
});

test('the columns are the same for all flows, with types that other programs know', async () => {
  await writeFile([[{ Bytes: 1 }]]);
  const first = await parquetColumns(path);
  await writeFile([[{ SrcAddr: '10.0.0.1', Interfaces: ['eth0'], own: { a: [1] } }]]);
  expect(await parquetColumns(path)).toEqual(first);
  expect(Object.keys(first)).toEqual([...FIELDS.map(({ name }) => name), 'OtherFields']);
  expect(first).toMatchObject({
    ...{ SrcAddr: 'VARCHAR', SrcMac: 'VARCHAR', Bytes: 'DOUBLE', SrcPort: 'USMALLINT' },
    ...{ Proto: 'UTINYINT', Interfaces: 'VARCHAR[]', IfDirections: 'UINTEGER[]' },
    OtherFields: 'JSON',
  });
});

test('the next object begins empty', async () => {
  const contents = new ParquetContents();
  await contents.open();
  for (const Bytes of [1, 2]) {
    const { current } = new TableSpace();
    const batch = batchOf(everything, current, [{ Bytes }, { Bytes: 9 }, { SrcPort: Bytes }]);
    batch.selection = Uint32Array.of(0, 2);
    expect(contents.encode(batch)).toBe(2);
    contents.add(0, 1);
    contents.add(1, 2);
    writeFileSync(path, contents.close());
    expect(await parquetRows(path)).toEqual([{ Bytes }, { SrcPort: Bytes }]);
  }
});

test('it is full before its making would take long', async () => {
  const contents = new ParquetContents();
  const rows = Array.from({ length: 1024 }, (_, i) => ({ Bytes: i, Packets: 1 }));
  const batch = batchOf(everything, new TableSpace().current, rows);
  contents.encode(batch);
  for (let i = 0; i < 511; i++) contents.add(0, 1024);
  expect(contents.isFull).toBe(false);
  contents.add(0, 1024);
  expect(contents.isFull).toBe(true);
});
