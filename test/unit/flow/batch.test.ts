import { describe, expect, test } from 'vitest';
import { BATCH_CAPACITY_ROWS, BatchLayout, FlowBatch, pushList } from '../../../src/flow/batch.ts';
import { hasBit, setBit } from '../../../src/flow/bits.ts';
import type { FieldKind } from '../../../src/flow/field.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { appendRow, rowsOf } from '../../../src/flow/row.ts';
import { batchOf } from '../../support/flows/batch-of.ts';

const KINDS: readonly FieldKind[] = [
  'u8',
  'u16',
  'u32',
  'f64',
  'str',
  'addr',
  'mac',
  'list<u32>',
  'list<str>',
  'any',
];
const layout = new BatchLayout(KINDS.map((kind) => ({ name: kind, kind })));

const ROW = {
  u8: 1,
  u16: 2,
  u32: 3,
  f64: 4.5,
  str: 'text',
  addr: '10.0.0.1',
  mac: 'aa:bb:cc:dd:ee:ff',
  'list<u32>': [1, 2],
  'list<str>': ['a', 'b'],
  any: { nested: true },
};

describe('layouts', () => {
  test('know their columns', () => {
    expect(layout.has('str')).toBe(true);
    expect(layout.has('missing')).toBe(false);
    expect(layout.indexOf('u16')).toBe(1);
    expect(layout.indexOf('missing')).toBe(-1);
    expect(layout.kindOf('mac')).toBe('mac');
    expect(layout.kindOf('missing')).toBeUndefined();
  });

  test('have each name once', () => {
    const column = { name: 'Bytes', kind: 'f64' } as const;
    expect(() => new BatchLayout([column, column])).toThrow('Bytes is twice');
  });
});

test('a new batch is empty, and absent everywhere', () => {
  const batch = new FlowBatch(layout, new TableSpace().current);
  expect(batch.capacity).toBe(BATCH_CAPACITY_ROWS);
  expect(batch.selected).toBe(0);
  batch.length = 2;
  expect(rowsOf(batch)).toEqual([{}, {}]);
});

test('columns are asked for by kind, and a wrong guess is a bug', () => {
  const batch = new FlowBatch(layout, new TableSpace().current, 4);
  expect(batch.u8('u8')).toBeInstanceOf(Uint8Array);
  expect(batch.u16('u16')).toBeInstanceOf(Uint16Array);
  expect(batch.u32('u32')).toBeInstanceOf(Uint32Array);
  expect(batch.f64('f64')).toBeInstanceOf(Float64Array);
  expect(batch.ids('addr')).toHaveLength(4);
  expect(batch.list('list<str>').offsets).toHaveLength(5);
  expect(() => batch.u8('u16')).toThrow('holds u16, not u8');
  expect(() => batch.ids('u16')).toThrow('not ids');
  expect(() => batch.list('u16')).toThrow('not lists');
  expect(() => batch.any('u16')).toThrow('holds u16');
  expect(() => batch.present('str')).toThrow('no bitmap');
  expect(() => batch.column('other')).toThrow('no column other');
});

test('a list grows with what is pushed', () => {
  const batch = new FlowBatch(layout, new TableSpace().current, 2);
  const column = batch.list('list<u32>');
  let end = 0;
  for (let value = 0; value < 100; value++) end = pushList(column, end, value);
  column.offsets[1] = end;
  column.offsets[2] = pushList(column, end, 7);
  batch.length = 2;
  expect(rowsOf(batch)).toEqual([
    { 'list<u32>': Array.from({ length: 100 }, (_, value) => value) },
    { 'list<u32>': [7] },
  ]);
});

test('marking a column present covers the rows and no others', () => {
  const batch = new FlowBatch(layout, new TableSpace().current, 64);
  batch.length = 40;
  batch.markPresent('u8');
  expect(hasBit(batch.present('u8'), 39)).toBe(true);
  expect(hasBit(batch.present('u8'), 40)).toBe(false);
});

test('after a reset nothing is left of the rows before', () => {
  const space = new TableSpace(1);
  const batch = batchOf(layout, space.current, [ROW, ROW]);
  batch.selection = Uint32Array.of(1);
  batch.receivedMs = 5;
  space.rotateIfFull();
  batch.reset(space.current);
  expect(batch).toMatchObject({ length: 0, selection: undefined, receivedMs: 0 });
  expect(batch.tables).toBe(space.current);
  appendRow(batch, {}, new Map());
  appendRow(batch, { 'list<u32>': [9] }, new Map());
  expect(rowsOf(batch)).toEqual([{}, { 'list<u32>': [9] }]);
});

describe('forks', () => {
  const tables = new TableSpace().current;

  test('share what they do not write', () => {
    const batch = batchOf(layout, tables, [ROW]);
    const fork = batch.fork(layout, new Set(['u8']));
    for (const { name } of layout.columns) {
      const isShared = fork.column(name) === batch.column(name);
      expect(isShared, name).toBe(name !== 'u8');
    }
  });

  test.each(KINDS)('write a copy of %s that the original does not see', (kind) => {
    const batch = batchOf(layout, tables, [ROW, ROW]);
    const fork = batch.fork(layout, new Set([kind]));
    expect(rowsOf(fork)).toEqual(rowsOf(batch));
    const column = fork.column(kind);
    if (column.kind === 'any') column.values[1] = 'changed';
    else column.values.fill(0);
    if ('present' in column) column.present.fill(0);
    if ('offsets' in column) column.offsets.fill(0);
    expect(rowsOf(batch)).toEqual([ROW, ROW]);
    expect(rowsOf(fork)[1]).not.toEqual(ROW);
  });

  test('have room for new columns, and leave out what is not in their layout', () => {
    const batch = batchOf(layout, tables, [ROW, ROW]);
    batch.selection = Uint32Array.of(1);
    batch.receivedMs = 5;
    const narrow = new BatchLayout([
      { name: 'str', kind: 'str' },
      { name: 'added', kind: 'u16' },
    ]);
    const fork = batch.fork(narrow, new Set(['added']));
    expect(fork).toMatchObject({ length: 2, selected: 1, receivedMs: 5, layout: narrow });
    expect(fork.has('u8')).toBe(false);
    fork.u16('added')[1] = 7;
    setBit(fork.present('added'), 1);
    expect(rowsOf(fork)).toEqual([{ str: 'text', added: 7 }]);
    expect(batch.has('added')).toBe(false);
  });

  test('narrow their selection without the original', () => {
    const batch = batchOf(layout, tables, [ROW, ROW, ROW]);
    const fork = batch.fork(layout, new Set());
    fork.selection = Uint32Array.of(0, 2);
    expect([batch.selected, fork.selected]).toEqual([3, 2]);
  });
});
