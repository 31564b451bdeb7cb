import { type TSchema, Type } from 'typebox';
import { expect, test } from 'vitest';
import { parseDocument } from '../../../src/config/document.ts';
import { duration, strictObject, typed, word } from '../../../src/config/schema.ts';
import { PROBLEMS_MAX, problemLines, validate } from '../../../src/config/validate.ts';

const description = 'for tests';
const Rule = Type.Union([
  typed('keep', { field: Type.String({ minLength: 1, description }) }, 'Keeps.'),
  typed('cut', { length: Type.Integer({ minimum: 1, maximum: 9, description }) }, 'Cuts.'),
]);
const Schema = strictObject(
  {
    name: Type.String({ description }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 9090, description }),
    scale: Type.Optional(Type.Number({ minimum: 0.5, description })),
    on: Type.Boolean({ default: false, description }),
    format: word(['json', 'text'], { default: 'json', description }),
    expiry: duration({ default: '2m', description }),
    rules: Type.Array(Rule, { default: [], description }),
    tags: Type.Array(Type.String(), { minItems: 1, default: ['a'], description }),
    remap: Type.Record(Type.String(), Type.String(), { default: {}, description }),
    value: Type.Optional(Type.Union([Type.String(), Type.Number()], { description })),
    tls: strictObject(
      { certPath: Type.String({ default: '', description }) },
      { default: {}, description },
    ),
    extra: Type.Optional(Type.Unknown({ description })),
  },
  { description },
);

function linesOf(value: unknown, schema: TSchema = Schema): readonly string[] {
  return problemLines(validate(schema, value).problems);
}

test('defaults are filled in, at every level, and durations are milliseconds', () => {
  expect(validate(Schema, { name: 'n' })).toEqual({
    value: {
      name: 'n',
      port: 9090,
      on: false,
      format: 'json',
      expiry: 120_000,
      rules: [],
      tags: ['a'],
      remap: {},
      tls: { certPath: '' },
    },
    problems: [],
  });
});

test('given values win, a null is as good as nothing, and keys of maps keep their case', () => {
  const given = {
    name: 'n',
    port: null,
    expiry: '1m30s',
    rules: [{ type: 'cut', length: 3 }],
    remap: { SrcAddr: 'Source', __proto: 'x' },
    value: 6,
    extra: { any: ['thing'] },
  };
  expect(validate(Schema, given).value).toMatchObject({
    ...given,
    port: 9090,
    expiry: 90_000,
  });
});

test.each<[why: string, value: unknown, line: string]>([
  ['no object', [], 'must be an object, not []'],
  ['nothing', undefined, 'must be an object, not nothing'],
  ['missing', {}, 'name: is required'],
  ['a number for a text', { name: 8 }, 'name: must be a text, not 8: write it in quotes, "8"'],
  ['a list for a text', { name: [1] }, 'name: must be a text, not a list'],
  [
    'out of range',
    { name: '', port: 65_536 },
    'port: must be a whole number from 0 up to 65535, not 65536',
  ],
  [
    'not whole',
    { name: '', port: 1.5 },
    'port: must be a whole number from 0 up to 65535, not 1.5',
  ],
  ['no number', { name: '', scale: Number.NaN }, 'scale: must be a number from 0.5, not NaN'],
  ['infinite', { name: '', scale: Infinity }, 'scale: must be a number from 0.5, not Infinity'],
  ['a word for a flag', { name: '', on: 'yes' }, 'on: must be true or false, not "yes"'],
  [
    'a misspelt word',
    { name: '', format: 'jsn' },
    'format: "jsn" is not allowed here (did you mean "json"?)',
  ],
  [
    'a strange word',
    { name: '', format: 'x' },
    'format: "x" is not allowed here (known: json, text)',
  ],
  ['a misspelt key', { name: '', portt: 1 }, 'portt: unknown key "portt" (did you mean "port"?)'],
  [
    'a key in another case',
    { name: '', Port: 1 },
    'Port: unknown key "Port" (did you mean "port"?)',
  ],
  [
    'no unit',
    { name: '', expiry: 120 },
    'expiry: 120 is not a duration such as 500ms, 30s or 2m: write the unit, "120s" for seconds',
  ],
  ['an empty list', { name: '', tags: [] }, 'tags: must be a list that is not empty, not []'],
  [
    'within a map',
    { name: '', remap: { A: 1 } },
    'remap.A: must be a text, not 1: write it in quotes, "1"',
  ],
  ['no alternative', { name: '', value: true }, 'value: must be string or number, not true'],
  [
    'no type',
    { name: '', rules: [{ field: 'a' }] },
    'rules[0].type: is required (known: keep, cut)',
  ],
  [
    'a misspelt type',
    { name: '', rules: [{ type: 'kep' }] },
    'rules[0].type: unknown type "kep" (did you mean "keep"?)',
  ],
  // The type decides which alternative the message is about.
  [
    'the key of another type',
    { name: '', rules: [{ type: 'keep', field: 'a', length: 1 }] },
    'rules[0].length: unknown key "length" (known: type, field)',
  ],
  [
    'empty',
    { name: '', rules: [{ type: 'keep', field: '' }] },
    'rules[0].field: must be a text that is not empty, not ""',
  ],
])('%s', (_why, value, line) => {
  expect(linesOf(value)).toEqual([line]);
});

test('names of Object.prototype are keys and types like any other', () => {
  expect(linesOf({ name: '', constructor: 1 })).toEqual([
    expect.stringContaining('unknown key "constructor"'),
  ]);
  expect(linesOf({ name: '', rules: [{ type: 'toString' }] })).toEqual([
    expect.stringContaining('unknown type "toString"'),
  ]);
  // No text can be made from such an object.
  const hostile = { toString: 1, valueOf: 1 };
  expect(linesOf({ name: '', format: hostile, rules: [{ type: hostile }] })).toEqual([
    'format: an object is not allowed here',
    'rules[0].type: unknown type an object',
  ]);
  expect(linesOf(Object.create({ name: 'inherited' }))).toEqual(['name: is required']);
});

test('problems are in the order of the document, at the key or the value that is wrong', () => {
  const source = ['tags: []', 'rules:', '  - type: cut', '    length: 10', 'portt: 1', 'on: 7'];
  const document = parseDocument('c.yaml', source.join('\n'));
  expect(problemLines(validate(Schema, document.value).problems, document)).toEqual([
    // A missing key has no place of its own: the object's place is used.
    'c.yaml:1:1 name: is required',
    'c.yaml:1:7 tags: must be a list that is not empty, not []',
    'c.yaml:4:13 rules[0].length: must be a whole number from 1 up to 9, not 10',
    'c.yaml:5:1 portt: unknown key "portt" (did you mean "port"?)',
    'c.yaml:6:5 on: must be true or false, not 7',
  ]);
});

test('hostile values make few and short problems', () => {
  const wide = Object.fromEntries(
    Array.from({ length: 50_000 }, (_, index) => [`${'k'.repeat(200)}${index}`, index]),
  );
  const lines = linesOf({ name: 'n', ...wide });
  expect(lines).toHaveLength(PROBLEMS_MAX);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(600);
  const list = { name: 'n', tags: Array(50_000).fill({}) };
  expect(linesOf(list)).toHaveLength(PROBLEMS_MAX);
  expect(linesOf({ name: 'n', format: 'x'.repeat(1e6) })[0]!.length).toBeLessThan(200);
});
