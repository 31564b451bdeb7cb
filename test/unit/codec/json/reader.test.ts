import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JSON_ERRORS } from '../../../../src/codec/json/errors.ts';
import {
  JSON_LINE_MAX_BYTES,
  parseJsonLine,
  readJsonLine,
} from '../../../../src/codec/json/reader.ts';
import { createJsonWriter } from '../../../../src/codec/json/writer.ts';
import { FlowBatch } from '../../../../src/flow/batch.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { type CoercionFailures, rowsOf } from '../../../../src/flow/row.ts';
import { anyRow } from '../../../support/codec/any-row.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const everything = layoutFor(FIELDS.map((field) => field.name));
const names = new Set(['Flags']);

test('what the writer writes is read back, with flags as numbers or as names', () => {
  fc.assert(
    fc.property(fc.array(anyRow(), { maxLength: 4 }), fc.boolean(), (rows, asNames) => {
      const { current } = new TableSpace();
      // Only flags that have a name survive as names.
      const known = rows.map(({ Flags, ...row }) =>
        Flags === undefined ? row : { ...row, Flags: Number(Flags) & 0x7ff },
      );
      const writer = createJsonWriter(asNames ? { names } : {});
      writer.writeBatch(batchOf(everything, current, known));
      const batch = new FlowBatch(everything, current, 8);
      const failures: CoercionFailures = new Map();
      for (const line of Buffer.from(writer.bytes()).toString().split('\n').slice(0, -1)) {
        expect(readJsonLine(batch, Buffer.from(line), failures)).toBe(true);
      }
      expect(rowsOf(batch)).toEqual(known);
      expect(failures.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test.each([
  ['nothing', '', JSON_ERRORS.syntax.code, 'no JSON'],
  ['half an object', '{"SrcPort":1', JSON_ERRORS.syntax.code, '{"SrcPort":1'],
  ['a list', '[1]', JSON_ERRORS.notObject.code, 'must be a JSON object'],
  ['null', 'null', JSON_ERRORS.notObject.code, 'null'],
  ['a number', '5', JSON_ERRORS.notObject.code, '5'],
  ['a stray byte', Uint8Array.of(0x7b, 0xff, 0x7d), JSON_ERRORS.encoding.code, 'UTF-8'],
  [
    'a long line',
    new Uint8Array(JSON_LINE_MAX_BYTES + 1),
    JSON_ERRORS.tooLong.code,
    '1048577 bytes',
  ],
])('%s is refused', (_what, line, code, text) => {
  expect(() => parseJsonLine(line)).toThrow(
    expect.objectContaining({ code, message: expect.stringContaining(text) }),
  );
});

test('a message shows the beginning of a long line only', () => {
  const line = `[${'1,'.repeat(1000)}1]`;
  expect(() => parseJsonLine(line)).toThrow(/^.{1,160}$/);
});

test('a full batch is said to be full before the line is looked at', () => {
  const batch = batchOf(layoutFor(['SrcPort']), new TableSpace().current, [{ SrcPort: 1 }]);
  expect(readJsonLine(batch, 'no JSON', new Map())).toBe(false);
  expect(batch.length).toBe(1);
});
