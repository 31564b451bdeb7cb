import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJsonWriter, type JsonWriter } from '../../../../src/codec/json/writer.ts';
import type { FlowBatch } from '../../../../src/flow/batch.ts';
import { BatchLayout } from '../../../../src/flow/batch.ts';
import { setBit } from '../../../../src/flow/bits.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { batchOf, rowsOf } from '../../../../src/flow/row.ts';
import { layoutFor } from '../../../../src/flow/schema.ts';
import { anyRow } from '../../../support/codec/any-row.ts';

const everything = layoutFor(FIELDS.map((field) => field.name));

function written(writer: JsonWriter, batch: FlowBatch): string {
  writer.clear();
  writer.writeBatch(batch);
  const text = new TextDecoder('utf-8', { fatal: true }).decode(writer.bytes());
  expect(writer.length).toBe(writer.bytes().length);
  return text;
}

function lines(...values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('');
}

test('lines are those of JSON.stringify, byte for byte, in batch after batch', () => {
  const writer = createJsonWriter();
  const space = new TableSpace();
  fc.assert(
    fc.property(fc.array(anyRow(), { minLength: 1, maxLength: 4 }), (rows) => {
      const batch = batchOf(everything, space.current, rows);
      expect(written(writer, batch)).toBe(lines(...rowsOf(batch)));
    }),
    { numRuns: 100 },
  );
});

test('whole numbers of every length', () => {
  const writer = createJsonWriter();
  const layout = layoutFor(['TimeFlowStartMs']);
  const { current } = new TableSpace();
  const edges = Array.from({ length: 16 }, (_, digits) => 10 ** digits);
  const values = edges.flatMap((edge) => [edge - 1, edge, edge + 1, edge * 7]);
  for (const value of [...values, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    const batch = batchOf(layout, current, [{ TimeFlowStartMs: value }]);
    expect(written(writer, batch)).toBe(`{"TimeFlowStartMs":${value}}\n`);
  }
});

test.each([0.5, -1, -0.001, 1e21, 1e-9, -Number.MIN_VALUE, -Math.PI * 1e-300, 2 ** 53 + 2])(
  'the number %d',
  (value) => {
    const batch = batchOf(layoutFor(['TimeFlowStartMs']), new TableSpace().current, [
      { TimeFlowStartMs: value },
    ]);
    expect(written(createJsonWriter(), batch)).toBe(lines({ TimeFlowStartMs: value }));
  },
);

test('a number that JSON has no word for is absent', () => {
  const batch = batchOf(layoutFor(['Bytes']), new TableSpace().current, [{}]);
  batch.f64('Bytes')[0] = Number.NaN;
  setBit(batch.present('Bytes'), 0);
  expect(written(createJsonWriter(), batch)).toBe('{}\n');
});

describe('options', () => {
  const rows = [{ SrcPort: 1, Flags: 18, _IsFirst: true }, { Flags: 0 }];
  const batch = batchOf(
    layoutFor(['SrcPort', 'Flags', '_IsFirst']),
    new TableSpace().current,
    rows,
  );

  test('only the fields asked for', () => {
    const writer = createJsonWriter({ fields: ['Flags', 'SrcPort', 'Missing'] });
    expect(written(writer, batch)).toBe(lines({ SrcPort: 1, Flags: 18 }, { Flags: 0 }));
  });

  test('flags as names', () => {
    const names = new Set(['Flags', 'SrcPort']);
    const wanted = rowsOf(batch, { names });
    expect(wanted[0]).toEqual({ SrcPort: 1, Flags: ['SYN', 'ACK'], _IsFirst: true });
    expect(written(createJsonWriter({ names }), batch)).toBe(lines(...wanted));
  });
});

test('columns that no table knows are written as they are', () => {
  const layout = new BatchLayout([
    { name: 'odd "name"', kind: 'any' },
    { name: 'é', kind: 'str' },
  ]);
  const rows = [{ 'odd "name"': { a: [1, null] }, é: 'ü' }, {}];
  const batch = batchOf(layout, new TableSpace().current, rows);
  batch.any('odd "name"')[1] = () => 1;
  expect(written(createJsonWriter(), batch)).toBe(lines(...rows));
});

test('selected rows only, and single rows without a line feed', () => {
  const rows = [1, 2, 3].map((SrcPort) => ({ SrcPort }));
  const batch = batchOf(layoutFor(['SrcPort']), new TableSpace().current, rows);
  batch.selection = Uint32Array.of(0, 2);
  const writer = createJsonWriter();
  expect(written(writer, batch)).toBe('{"SrcPort":1}\n{"SrcPort":3}\n');
  writer.write(batch, 1);
  expect(Buffer.from(writer.bytes()).toString()).toBe(
    '{"SrcPort":1}\n{"SrcPort":3}\n{"SrcPort":2}',
  );
});

test('a writer follows layouts and generations of tables', () => {
  const writer = createJsonWriter();
  const space = new TableSpace(1);
  const first = batchOf(layoutFor(['DnsName']), space.current, [{ DnsName: 'one' }]);
  expect(written(writer, first)).toBe('{"DnsName":"one"}\n');
  space.rotateIfFull();
  // Same id, same layout, other generation.
  const second = batchOf(first.layout, space.current, [{ DnsName: 'two' }]);
  expect(written(writer, second)).toBe('{"DnsName":"two"}\n');
  const third = batchOf(layoutFor(['QuicVersion']), space.current, [{ QuicVersion: 'two' }]);
  expect(written(writer, third)).toBe('{"QuicVersion":"two"}\n');
  expect(written(writer, first)).toBe('{"DnsName":"one"}\n');
});

test('a batch that is filled again is written anew', () => {
  const writer = createJsonWriter();
  const space = new TableSpace();
  const batch = batchOf(layoutFor(['SrcPort']), space.current, [{ SrcPort: 1 }]);
  writer.writeBatch(batch);
  batch.reset(space.current);
  batch.length = 1;
  writer.writeBatch(batch);
  expect(Buffer.from(writer.bytes()).toString()).toBe('{"SrcPort":1}\n{}\n');
});

test('the buffer grows past any row and is given back when it was blown up', () => {
  const writer = createJsonWriter();
  const long = 'x'.repeat(20 * 1024 * 1024);
  const batch = batchOf(layoutFor(['DnsName']), new TableSpace().current, [{ DnsName: long }]);
  expect(written(writer, batch)).toBe(lines({ DnsName: long }));
  expect(writer.bytes().buffer.byteLength).toBeGreaterThan(long.length);
  writer.clear();
  expect(writer.bytes().buffer.byteLength).toBeLessThan(1024 * 1024);
});
