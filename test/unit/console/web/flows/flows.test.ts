import { expect, test } from 'vitest';
import type { ColumnConfig, FlowRow } from '../../../../../src/console/api.ts';
import {
  createColumnReader,
  parseExpression,
} from '../../../../../src/console/web/flows/column-value.ts';
import {
  availableColumns,
  columnTitle,
  move,
  shownColumns,
} from '../../../../../src/console/web/flows/columns.ts';
import { compareValues, isAbsent } from '../../../../../src/console/web/flows/compare.ts';
import { formatCell } from '../../../../../src/console/web/flows/format-value.ts';
import { recordGroups } from '../../../../../src/console/web/flows/record-groups.ts';
import { newKeys } from '../../../../../src/console/web/flows/use-fresh.ts';
import { frontendConfigOf } from '../frontend-config.ts';

const config = frontendConfigOf();
const read = createColumnReader(config.columns);
const columnOf = (id: string): ColumnConfig => config.columns.find((one) => one.id === id)!;

const row: FlowRow = {
  TimeFlowStartMs: 1000,
  TimeFlowEndMs: 3500,
  TimeReceived: 4,
  SrcAddr: 'fd00::1',
  SrcPort: 443,
  DstAddr: '10.0.0.2',
  DstPort: 50_000,
  Proto: 6,
  TimeFlowRttNs: 1_500_000,
  PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
  Unheard: 'of',
};

test.each([
  ['FlowDuration', '2.5 s'],
  ['CollectionLatency', '500 ms'],
  ['SrcAddrPort', '[fd00::1]:443'],
  ['AddrPort', '[fd00::1]:443 → 10.0.0.2:50000'],
  ['Proto', 'TCP'],
  ['SrcPort', '443 https'],
  ['TimeFlowRttMs', '1.5 ms'],
  ['PktDropLatestDropCause', 'NO_SOCKET'],
  ['Bytes', '–'],
])('column %s shows %s', (id, text) => {
  const column = columnOf(id);
  expect(formatCell(read(column, row), column, { config, row })).toBe(text);
});

test('every calculated column of the field table can be read', () => {
  const calculated = config.columns.filter((column) => column.calculated !== undefined);
  expect(calculated.length).toBeGreaterThan(0);
  for (const column of calculated) expect(() => read(column, row), column.id).not.toThrow();
});

test('expressions nest, and quotes and brackets keep their commas', () => {
  expect(parseExpression("concat(A,',',multiply(B,1000)) or [C,column.D]")).toEqual({
    kind: 'call',
    name: 'or',
    args: [
      {
        kind: 'call',
        name: 'concat',
        args: [
          { kind: 'field', name: 'A' },
          { kind: 'constant', value: ',' },
          {
            kind: 'call',
            name: 'multiply',
            args: [
              { kind: 'field', name: 'B' },
              { kind: 'constant', value: 1000 },
            ],
          },
        ],
      },
      {
        kind: 'call',
        name: 'list',
        args: [
          { kind: 'field', name: 'C' },
          { kind: 'column', name: 'D' },
        ],
      },
    ],
  });
});

test('addresses sort by their bytes, IPv4 before IPv6', () => {
  const addresses = ['fd00::10', '10.0.0.10', 'fd00::9', '9.9.9.9', '10.0.0.9', '2001:db8::1'];
  expect(addresses.toSorted(compareValues)).toEqual([
    '9.9.9.9',
    '10.0.0.9',
    '10.0.0.10',
    '2001:db8::1',
    'fd00::9',
    'fd00::10',
  ]);
});

test('numbers sort by size and names as people count', () => {
  expect([10, 9, 100].toSorted(compareValues)).toEqual([9, 10, 100]);
  expect(['eth10', 'eth9'].toSorted(compareValues)).toEqual(['eth9', 'eth10']);
  expect([undefined, '', [], ['']].every(isAbsent)).toBe(true);
  expect(isAbsent(0)).toBe(false);
});

test('columns of features that are off are not offered', () => {
  const on = availableColumns({ ...config, features: ['dnsTracking'] });
  expect(on.some((column) => column.id === 'DNSLatency')).toBe(true);
  expect(availableColumns(config).some((column) => column.id === 'DNSLatency')).toBe(false);
});

test('a link with unknown columns shows the known ones, or the default ones', () => {
  expect(shownColumns(['Bytes', 'Gone'], config).map((column) => column.id)).toEqual(['Bytes']);
  expect(shownColumns(['Gone'], config)).toEqual(shownColumns(undefined, config));
});

test('names that occur twice carry their group', () => {
  expect(columnTitle(columnOf('SrcPort'), config.columns)).toBe('Source Port');
  expect(columnTitle(columnOf('Proto'), config.columns)).toBe(columnOf('Proto').name);
});

test('moving keeps all elements and stays within the list', () => {
  expect(move(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(move(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
});

test('details hold every field of the flow, also those without a column', () => {
  const groups = recordGroups(row, config);
  const keys = groups.flatMap((group) => group.entries.map((entry) => entry.key));
  expect(keys.toSorted()).toEqual(Object.keys(row).toSorted());
  expect(groups[0]?.name).toBe('');
});

test('fresh rows are those that were not there before', () => {
  const rows = [
    { key: 'a', row },
    { key: 'b', row },
  ];
  expect([...newKeys(rows, new Set(['a']))]).toEqual(['b']);
});
