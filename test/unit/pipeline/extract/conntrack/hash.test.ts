import { expect, test } from 'vitest';
import { BatchLayout, FlowBatch } from '../../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../../src/flow/intern.ts';
import { Hashes, hashText } from '../../../../../src/pipeline/extract/conntrack/fnv.ts';
import { KeyHasher } from '../../../../../src/pipeline/extract/conntrack/key-hasher.ts';
import { appendRows, type Row } from '../../../../support/models/interpreter/rows.ts';

// Appendix C of draft-eastlake-fnv.
test.each([
  ['', 'cbf29ce484222325'],
  ['a', 'af63dc4c8601ec8c'],
  ['foobar', '85944171f73967e8'],
])('FNV-1a of "%s"', (text, wanted) => {
  const bytes = new TextEncoder().encode(text);
  const hashes = new Hashes();
  hashes.reserve(1);
  hashes.set(0, bytes, 0, bytes.length);
  expect(hashText(hashes.high[0]!, hashes.low[0]!)).toBe(wanted);
});

const GROUPS = {
  common: [['Proto']],
  sides: { a: ['SrcAddr', 'SrcPort'], b: ['DstAddr', 'DstPort'] },
};

function hashes(kinds: Readonly<Record<string, string>>, rows: readonly Row[]): readonly string[] {
  const columns = Object.entries(kinds).map(([name, kind]) => ({ name, kind: kind as 'any' }));
  const { current } = new TableSpace();
  // Ids depend on what came before.
  current.addresses.internText('192.0.2.1');
  const batch = new FlowBatch(new BatchLayout(columns), current, rows.length);
  appendRows(batch, rows);
  const hasher = new KeyHasher(GROUPS, () => undefined);
  hasher.hash(batch, Uint32Array.from(rows.keys()), rows.length);
  return rows.map((_row, i) => hashText(hasher.total.high[i]!, hasher.total.low[i]!));
}

const KINDS = { SrcAddr: 'addr', DstAddr: 'addr', SrcPort: 'u16', DstPort: 'u16', Proto: 'u8' };
const there = { SrcAddr: '10.0.0.1', SrcPort: 40_000, DstAddr: '10.0.0.2', DstPort: 443, Proto: 6 };
const back = { SrcAddr: '10.0.0.2', SrcPort: 443, DstAddr: '10.0.0.1', DstPort: 40_000, Proto: 6 };

test('the hash is that of both directions, and of no other connection', () => {
  const crossed = { ...there, SrcPort: 443, DstPort: 40_000 };
  const found = hashes(KINDS, [there, back, crossed, { ...there, Proto: 17 }]);
  // Calculated by a program in Python, from the description of the option.
  expect(found[0]).toBe('a9bcecd14f02f222');
  expect(found[0]).toBe(found[1]);
  expect(new Set(found).size).toBe(3);
});

test('the hash does not depend on the kind of the columns', () => {
  const [wanted] = hashes(KINDS, [there]);
  expect(hashes({ ...KINDS, SrcPort: 'f64', DstPort: 'u32', Proto: 'any' }, [back])).toEqual([
    wanted,
  ]);
  const texts = { SrcAddr: 'str', DstAddr: 'any', SrcPort: 'str', DstPort: 'str', Proto: 'str' };
  expect(hashes(texts, [there])).toEqual([wanted]);
});

test('a missing value is not the empty text, and fields do not run into each other', () => {
  const kinds = { ...KINDS, SrcAddr: 'str', SrcPort: 'str' };
  const rows: Row[] = [
    { ...there, SrcAddr: '', SrcPort: 'ab' },
    { ...there, SrcAddr: 'a', SrcPort: 'b' },
    { ...there, SrcAddr: 'ab', SrcPort: '' },
  ];
  const { SrcAddr: _source, ...missing } = rows[0]!;
  expect(new Set(hashes(kinds, [...rows, missing])).size).toBe(4);
});
