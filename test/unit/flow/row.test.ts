import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldSpec } from '../../../src/flow/field.ts';
import { FIELDS } from '../../../src/flow/fields.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import {
  appendRow,
  type CoercionFailures,
  type Row,
  rowOf,
  rowsOf,
} from '../../../src/flow/row.ts';
import { anyRow } from '../../support/codec/any-row.ts';
import { batchOf } from '../../support/flows/batch-of.ts';
import { layoutFor } from '../../support/flows/layout-for.ts';

const everything = layoutFor(FIELDS.map((field) => field.name));

test('rows of all fields survive a batch', () => {
  fc.assert(
    fc.property(fc.array(anyRow(), { maxLength: 5 }), (rows) => {
      const failures: CoercionFailures = new Map();
      const batch = batchOf(everything, new TableSpace().current, rows, failures);
      expect(rowsOf(batch)).toEqual(rows);
      expect(failures.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('no value makes a row fail: what does not fit is absent and counted', () => {
  const name = fc.constantFrom(...FIELDS.map((field: FieldSpec) => field.name));
  const value = fc.oneof(fc.jsonValue(), fc.bigInt(), fc.constant(undefined), fc.double());
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 12 }), (row) => {
      const failures: CoercionFailures = new Map();
      const batch = batchOf(everything, new TableSpace().current, [row, {}], failures);
      const [first, second] = rowsOf(batch);
      expect(second).toEqual({});
      const given = Object.keys(row);
      for (const key of Object.keys(first!)) expect(given).toContain(key);
      for (const key of failures.keys()) expect(given).toContain(key);
    }),
  );
});

/** Returns the row read back, and the fields that failed. */
function through(row: Row, ...fields: readonly string[]): readonly [Row, readonly string[]] {
  const failures: CoercionFailures = new Map();
  const batch = batchOf(layoutFor(fields), new TableSpace().current, [row], failures);
  return [rowOf(batch, 0), [...failures.keys()]];
}

describe('coercion', () => {
  test.each([
    ['text of digits', 'SrcPort', '443', 443],
    ['a name of the field', 'Proto', 'udp', 17],
    ['an alias', 'Proto', 'ICMPv6', 58],
    ['an Ethernet type', 'Etype', 'IPv6', 34525],
    ['a direction', 'FlowDirection', 'Inner', 2],
    ['names of flags', 'Flags', ['SYN', 'ACK', 'SYN_ACK'], 274],
    ['no flags', 'Flags', [], 0],
    ['one flag', 'Flags', 'RST', 4],
    ['a truth', '_IsFirst', true, true],
    ['a truth as a number', '_IsFirst', 1, true],
    ['a falsehood', '_IsFirst', false, false],
    ['a number for text', 'DnsName', 5, '5'],
    ['a truth for text', 'DnsName', true, 'true'],
    ['one value for a list', 'Interfaces', 'eth0', ['eth0']],
    ['names in a list of numbers', 'IfDirections', ['Ingress', 1], [0, 1]],
    ['capitals of a MAC', 'SrcMac', 'AA:00:00:00:00:01', 'aa:00:00:00:00:01'],
    ['long IPv6', 'SrcAddr', '2001:db8:0:0:0:0:0:1', '2001:db8::1'],
    ['a negative number', 'IPSecRetCode', -22, -22],
    ['a fraction', 'TimeFlowStartMs', '1.5', 1.5],
    ['empty text', 'DnsName', '', ''],
    ['a nested value', 'NetworkEvents', [{ Name: 'x' }], [{ Name: 'x' }]],
  ])('%s', (_what, field, given, wanted) => {
    expect(through({ [field]: given }, field)).toEqual([{ [field]: wanted }, []]);
  });

  test.each([
    ['a port that is none', 'SrcPort', 65_536],
    ['a negative port', 'SrcPort', -1],
    ['half a port', 'SrcPort', 80.5],
    ['a word', 'SrcPort', 'https'],
    ['not a number', 'Bytes', Number.NaN],
    ['infinity', 'Bytes', Number.POSITIVE_INFINITY],
    ['a list for a number', 'Bytes', [1]],
    ['an unknown flag', 'Flags', ['SYN', 'LATE']],
    ['flags in flags', 'Flags', [['SYN']]],
    ['no address', 'SrcAddr', '10.0.0'],
    ['a number for an address', 'SrcAddr', 1],
    ['an object for text', 'DnsName', {}],
  ])('%s is absent and counted', (_what, field, given) => {
    expect(through({ [field]: given }, field)).toEqual([{}, [field]]);
  });

  test.each([
    ['null', 'SrcPort', null],
    ['undefined', 'SrcPort', undefined],
    ['an address that the sender does not know', 'SrcAddr', ''],
    ['an empty list', 'Interfaces', []],
  ])('%s is absent without a failure', (_what, field, given) => {
    expect(through({ [field]: given }, field)).toEqual([{}, []]);
  });

  test('the good part of a list is kept', () => {
    expect(through({ IfDirections: [0, 'x', 1, -1] }, 'IfDirections')).toEqual([
      { IfDirections: [0, 1] },
      ['IfDirections'],
    ]);
  });

  test('keys without a column, and those of every object, are ignored', () => {
    expect(through({ other: 1 }, 'SrcPort')).toEqual([{}, []]);
    expect(through(Object.create({ SrcPort: 1 }) as Row, 'SrcPort')).toEqual([{}, []]);
  });

  test('failures add up by field', () => {
    const failures: CoercionFailures = new Map();
    const bad = { SrcPort: 'x', DstPort: 'y' };
    batchOf(layoutFor(['SrcPort', 'DstPort']), new TableSpace().current, [bad, bad], failures);
    expect([...failures]).toEqual([
      ['SrcPort', 2],
      ['DstPort', 2],
    ]);
  });
});

test('zero is left out where the field says so, and only there', () => {
  expect(through({ Bytes: 0, SrcPort: 0 }, 'Bytes', 'SrcPort')).toEqual([{ SrcPort: 0 }, []]);
});

test('flags are shown as names where that is asked for', () => {
  const batch = batchOf(layoutFor(['Flags', 'TcpFlags']), new TableSpace().current, [
    { Flags: 0x112, TcpFlags: 2 },
    { Flags: 0 },
  ]);
  const names = new Set(['Flags']);
  expect(rowsOf(batch, { names })).toEqual([
    { Flags: ['SYN', 'ACK', 'SYN_ACK'], TcpFlags: 2 },
    { Flags: [] },
  ]);
  expect(rowOf(batch, 0)).toEqual({ Flags: 0x112, TcpFlags: 2 });
});

test('only selected rows are seen, in order', () => {
  const rows = [1, 2, 3].map((SrcPort) => ({ SrcPort }));
  const batch = batchOf(layoutFor(['SrcPort']), new TableSpace().current, rows);
  batch.selection = Uint32Array.of(0, 2);
  expect(rowsOf(batch)).toEqual([{ SrcPort: 1 }, { SrcPort: 3 }]);
});

test('a full batch takes no more', () => {
  const batch = batchOf(layoutFor(['SrcPort']), new TableSpace().current, [{ SrcPort: 1 }]);
  expect(appendRow(batch, { SrcPort: 2 }, new Map())).toBe(false);
  expect(rowsOf(batch)).toEqual([{ SrcPort: 1 }]);
});
