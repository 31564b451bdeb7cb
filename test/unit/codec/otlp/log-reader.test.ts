import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JSON_LINE_MAX_BYTES } from '../../../../src/codec/json/reader.ts';
import { flowOfJson, logsOfJson } from '../../../../src/codec/otlp/json-logs.ts';
import { LogReader } from '../../../../src/codec/otlp/log-reader.ts';
import { LogRecords } from '../../../../src/codec/otlp/logs.ts';
import { RequestWriter } from '../../../../src/codec/otlp/request.ts';
import { BatchLayout, EXTRAS, FlowBatch } from '../../../../src/flow/batch.ts';
import { FIELDS } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { appendRow, type CoercionFailures, type Row, rowsOf } from '../../../../src/flow/row.ts';
import { anyRow } from '../../../support/codec/any-row.ts';
import { attributesOf, encodeLogs } from '../../../support/codec/otlp-schema.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';

const columns = FIELDS.map(({ name, kind }) => ({ name, kind }));
const everything = new BatchLayout([...columns, { name: EXTRAS, kind: 'any' }]);
const { current } = new TableSpace();

interface Read {
  readonly rows: readonly Row[];
  readonly failures: CoercionFailures;
  /** Codes of the records that were left out. */
  readonly refused: readonly unknown[];
}

function read(message: Uint8Array, layout = everything): Read {
  const reader = new LogReader(layout);
  const batch = new FlowBatch(layout, current, 64);
  const failures: CoercionFailures = new Map();
  const refused: unknown[] = [];
  reader.open(Uint8Array.from(message));
  while (reader.find()) {
    try {
      reader.add(batch, failures);
    } catch (error) {
      refused.push((error as { code: string }).code);
      reader.skip();
    }
  }
  return { rows: rowsOf(batch), failures, refused };
}

/** The same by the JSON of the protocol. */
function readJson(request: object): Read {
  const batch = new FlowBatch(everything, current, 64);
  const failures: CoercionFailures = new Map();
  const refused: unknown[] = [];
  for (const record of logsOfJson(Buffer.from(JSON.stringify(request)))) {
    try {
      appendRow(batch, flowOfJson(record), failures);
    } catch (error) {
      refused.push((error as { code: string }).code);
    }
  }
  return { rows: rowsOf(batch), failures, refused };
}

function jsonRequest(logRecords: readonly object[]): object {
  return { resourceLogs: [{ scopeLogs: [{ logRecords }] }] };
}

const extra = fc.dictionary(
  fc.string({ unit: 'binary-ascii', maxLength: 6 }).map((key) => `own.${key}`),
  fc.oneof(fc.string(), fc.boolean(), fc.maxSafeInteger(), fc.constant([1, 'a', null])),
  { maxKeys: 3 },
);

describe('every field comes back', () => {
  const flows = fc.array(
    fc.tuple(anyRow(), extra).map(([row, more]) => ({ ...row, ...more })),
    { minLength: 1, maxLength: 4 },
  );
  /** A flow without any field would be no flow. */
  const some = flows.map((rows) => rows.filter((row) => Object.keys(row).length > 0));

  test('as our encoder writes it', () => {
    fc.assert(
      fc.property(some, (rows) => {
        const records = new LogRecords({ names: new Set(['Flags']) }, () => 0);
        const known = rows.map(({ Flags, ...row }) =>
          Flags === undefined ? row : { ...row, Flags: Number(Flags) & 0x7ff },
        );
        const count = records.encode(batchOf(everything, current, known));
        const writer = new RequestWriter({ resource: { 'service.name': 'x' }, scope: 'y' });
        const message = writer.write(records.bytes, 0, records.offsets[count]!);
        const { rows: found, failures, refused } = read(message);
        expect(refused).toEqual([]);
        expect(failures.size).toBe(0);
        expect(found).toEqual(known);
      }),
      { numRuns: 100 },
    );
  });

  test('as a third-party encoder writes it, in protobuf and in JSON', () => {
    fc.assert(
      fc.property(some, (rows) => {
        const records = rows.map((row) => ({ attributes: attributesOf(row) }));
        expect(read(encodeLogs(records)).rows).toEqual(rows);
        expect(readJson(jsonRequest(records)).rows).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  });

  test('as the JSON of a body, or as a map', () => {
    fc.assert(
      fc.property(some, (rows) => {
        for (const toBody of [
          (row: Row) => ({ stringValue: JSON.stringify(row) }),
          (row: Row) => ({ kvlistValue: { values: attributesOf(row) } }),
        ]) {
          const records = rows.map((row) => ({ body: toBody(row) }));
          expect(read(encodeLogs(records)).rows).toEqual(rows);
          expect(readJson(jsonRequest(records)).rows).toEqual(rows);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** `levels` arrays inside of each other. */
function nested(levels: number): object {
  let value: object = { intValue: 1 };
  for (let i = 0; i < levels; i++) value = { arrayValue: { values: [value] } };
  return value;
}

test.each([
  ['nothing', {}, 'ERR_CODEC_OTLP_NOT_FLOW'],
  ['a text', { body: { stringValue: 'GET /' } }, 'ERR_CODEC_OTLP_NOT_FLOW'],
  [
    'a text beside attributes of others',
    { body: { stringValue: 'GET /' }, attributes: attributesOf({ 'http.method': 'GET' }) },
    'ERR_CODEC_OTLP_NOT_FLOW',
  ],
  ['a number', { body: { intValue: 5 } }, 'ERR_CODEC_OTLP_NOT_FLOW'],
  ['a list', { body: { stringValue: '[1]' } }, 'ERR_CODEC_OTLP_NOT_FLOW'],
  [
    'a text that is too long',
    { body: { stringValue: `{"a":"${'x'.repeat(JSON_LINE_MAX_BYTES)}"}` } },
    'ERR_CODEC_OTLP_NOT_FLOW',
  ],
  ['33 levels', { attributes: [{ key: 'own', value: nested(33) }] }, 'ERR_CODEC_OTLP_TOO_DEEP'],
])('a record with %s is left out, and its neighbours are not', (_what, record, code) => {
  const records = [
    { attributes: attributesOf({ Bytes: 1 }) },
    record,
    { attributes: attributesOf({ Bytes: 2 }) },
  ];
  for (const { rows, refused } of [read(encodeLogs(records)), readJson(jsonRequest(records))]) {
    expect(rows).toEqual([{ Bytes: 1 }, { Bytes: 2 }]);
    expect(refused).toEqual([code]);
  }
});

test.each([
  ['attributes of others alone', { attributes: attributesOf({ a: 1 }) }, { a: 1 }],
  [
    'attributes of others, and a flow in the body',
    { attributes: attributesOf({ a: 1 }), body: { stringValue: '{"Bytes":7,"a":2,"b":3}' } },
    { Bytes: 7, a: 1, b: 3 },
  ],
  [
    'a body that repeats the attributes is not read',
    { attributes: attributesOf({ Bytes: 1 }), body: { stringValue: '{"Bytes":7,"a":2}' } },
    { Bytes: 1 },
  ],
  [
    '32 levels',
    {
      attributes: [
        { key: 'Bytes', value: { intValue: 1 } },
        { key: 'own', value: nested(32) },
      ],
    },
    undefined,
  ],
  ['a number as text', { attributes: attributesOf({ Bytes: '12' }) }, { Bytes: 12 }],
  ['a negative number', { attributes: attributesOf({ a: -(2 ** 40) }) }, { a: -(2 ** 40) }],
  ['no value', { attributes: attributesOf({ Bytes: 1, SrcAddr: null }) }, { Bytes: 1 }],
])('%s', (_what, record, expected) => {
  for (const { rows, refused } of [read(encodeLogs([record])), readJson(jsonRequest([record]))]) {
    expect(refused).toEqual([]);
    if (expected !== undefined) expect(rows).toEqual([expected]);
    else expect(rows).toHaveLength(1);
  }
});

test('bytes are a text in base64', () => {
  const value = { bytesValue: Buffer.from('hello') };
  const { rows } = read(encodeLogs([{ attributes: [{ key: 'own', value }] }]));
  expect(rows).toEqual([{ own: 'aGVsbG8=' }]);
});

test('values that do not fit are counted by field', () => {
  const record = { attributes: attributesOf({ SrcPort: 70_000, SrcAddr: 'x', Bytes: 1 }) };
  const { rows, failures } = read(encodeLogs([record]));
  expect(rows).toEqual([{ Bytes: 1 }]);
  expect([...failures]).toEqual([
    ['SrcPort', 1],
    ['SrcAddr', 1],
  ]);
});

test('only columns that exist are filled', () => {
  const layout = new BatchLayout([{ name: 'Bytes', kind: 'f64' }]);
  const record = { attributes: attributesOf({ SrcAddr: '10.0.0.1', Bytes: 1, own: 2 }) };
  expect(read(encodeLogs([record]), layout).rows).toEqual([{ Bytes: 1 }]);
});

test('a request whose parts do not fit is refused as a whole', () => {
  const message = encodeLogs([{ attributes: attributesOf({ Bytes: 1 }) }]);
  expect(() => read(message.subarray(0, message.length - 1))).toThrow(
    expect.objectContaining({ code: 'ERR_CODEC_PROTOBUF_TRUNCATED' }),
  );
});

test.each([
  ['no JSON', '{', 'the request is no JSON'],
  ['a list', '[]', 'must be an object'],
  ['a number for a list', '{"resourceLogs":1}', '"resourceLogs" must be an array'],
  ['null in a list', '{"resourceLogs":[null]}', 'must be an object'],
])('JSON: %s', (_what, text, message) => {
  expect(() => logsOfJson(Buffer.from(text))).toThrow(
    expect.objectContaining({
      code: 'ERR_CODEC_OTLP_SYNTAX',
      message: expect.stringContaining(message),
    }),
  );
});
