import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonLineReader } from '../../../../src/codec/json/line-reader.ts';
import { readJsonLine } from '../../../../src/codec/json/reader.ts';
import { BatchLayout, EXTRAS, FlowBatch } from '../../../../src/flow/batch.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { type CoercionFailures, type Row, rowsOf } from '../../../../src/flow/row.ts';
import { anyRow } from '../../../support/codec/any-row.ts';

const EVERYTHING = FIELDS.map(({ name, kind }) => ({ name, kind }));
const LAYOUTS = {
  'all columns and other keys': new BatchLayout([...EVERYTHING, { name: EXTRAS, kind: 'any' }]),
  'all columns': new BatchLayout(EVERYTHING),
  'some columns': new BatchLayout(EVERYTHING.filter((_, index) => index % 3 === 0)),
};

interface Read {
  readonly rows: readonly Row[];
  readonly failures: CoercionFailures;
  /** Messages of lines that were refused. */
  readonly refused: readonly string[];
}

type ReadLine = (batch: FlowBatch, line: Uint8Array, failures: CoercionFailures) => boolean;

function readAll(layout: BatchLayout, lines: readonly Uint8Array[], read: ReadLine): Read {
  const tables = new TableSpace(40);
  const batch = new FlowBatch(layout, tables.current, 3);
  const failures: CoercionFailures = new Map();
  const rows: Row[] = [];
  const refused: string[] = [];
  const empty = (): void => {
    rows.push(...rowsOf(batch));
    tables.rotateIfFull();
    batch.reset(tables.current);
  };
  for (const line of lines) {
    try {
      if (!read(batch, line, failures)) {
        empty();
        read(batch, line, failures);
      }
    } catch (error) {
      refused.push(String(error));
    }
  }
  empty();
  return { rows, failures, refused };
}

/** The result of `JSON.parse` is the truth. */
function expectSame(layout: BatchLayout, lines: readonly Uint8Array[]): void {
  const reader = new JsonLineReader();
  const found = readAll(layout, lines, (...line) => reader.read(...line));
  expect(found).toEqual(readAll(layout, lines, readJsonLine));
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text);

/** Values that fit no column, one column, or another one than that of their key. */
const scalar = fc.oneof(
  fc.constantFrom<unknown>(true, false, null, 0, -0, -1, 1.5, 1e21, 65_536, 2 ** 32, 2 ** 53),
  fc.constantFrom('', '7', '10.0.0.1', '02:00:00:00:00:01', 'SYN', 'a\\b', 'é', '\u007f', '"'),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string({ maxLength: 60 }),
);
const oddRow = fc.dictionary(
  fc.constantFrom(...FIELDS.map(({ name }) => name), 'unknown', 'other', EXTRAS, '__proto__'),
  fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.constant({ a: [1] })),
  { maxKeys: 8 },
);

const line = fc
  .tuple(fc.oneof(anyRow(), oddRow), fc.constantFrom(undefined, 1, '\t'))
  .map(([row, space]) => JSON.stringify(row, undefined, space).replaceAll('\n', ' '));

/** A line with one octet too many, too few, or another one. */
const damaged = fc
  .tuple(
    line,
    fc.nat(),
    fc.integer({ min: 0, max: 1 }),
    fc.constantFrom('', ',', '"', '0', '-', ']'),
  )
  .map(([text, at, without, piece]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + piece + text.slice(place + without);
  });

test.each(Object.entries(LAYOUTS))('any lines are read as JSON.parse does: %s', (_name, layout) => {
  fc.assert(
    fc.property(fc.array(fc.oneof(line, damaged), { maxLength: 12 }), (lines) =>
      expectSame(layout, lines.map(bytesOf)),
    ),
    { numRuns: 150 },
  );
});

test.each([
  ['spaces', ' {  "Bytes" : 1 , "Proto":\t6 } \r'],
  ['an empty object', '{}'],
  ['an empty list', '{"Interfaces":[ ],"IfDirections":[]}'],
  ['a key twice', '{"Bytes":1,"Bytes":null,"Proto":6,"Proto":"x"}'],
  ['a key twice, written in two ways', '{"Bytes":1,"\\u0042ytes":2}'],
  ['a comma too many', '{"Bytes":1,}'],
  ['a zero before a number', '{"Bytes":01}'],
  ['a number without digits', '{"Bytes":-}'],
  ['a point without digits', '{"Bytes":1.}'],
  ['numbers of any form', '{"Bytes":1E3,"Packets":1.0,"TimeFlowRttNs":0.5e-1,"DnsId":1e400}'],
  ['a number of 20 digits', '{"Bytes":12345678901234567890}'],
  ['a word cut off', '{"Bytes":tru}'],
  ['two objects', '{"Bytes":1}{"Bytes":2}'],
  ['a text that does not end', '{"SrcK8S_Name":"a'],
  ['a line break in a text', '{"SrcK8S_Name":"a\nb"}'],
  ['a byte order mark', '\ufeff{"Bytes":1}'],
  ['a list in a list', '{"Interfaces":["a",["b"]]}'],
  ['a list that is open', '{"Interfaces":["a"'],
  ['other items', '{"Interfaces":["a",1,null,true],"IfDirections":[0,"1",-1,4294967296]}'],
  ['flags by name', '{"Flags":["SYN","ACK"],"Proto":"TCP"}'],
  ['an unknown address', '{"SrcAddr":"","DstAddr":"no address"}'],
  ['many keys', `{${Array.from({ length: 600 }, (_, key) => `"k${key}":${key}`).join()}}`],
  ['a long list', `{"IfDirections":[${Array.from({ length: 600 }, (_, item) => item).join()}]}`],
])('%s', (_what, text) => {
  for (const layout of Object.values(LAYOUTS)) {
    const known = '{"Bytes":9,"Proto":17,"SrcAddr":"10.0.0.9","Interfaces":["a"]}';
    expectSame(layout, [known, text, known, text].map(bytesOf));
  }
});

test('octets that are no UTF-8 are refused', () => {
  const bytes = bytesOf('{"SrcK8S_Name":"abc"}');
  bytes[17] = 0xff;
  expectSame(LAYOUTS['all columns'], [bytes]);
});
