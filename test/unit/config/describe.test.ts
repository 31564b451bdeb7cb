import { Type } from 'typebox';
import { expect, test } from 'vitest';
import { describeSchema, editorSchema } from '../../../src/config/describe.ts';
import { duration, strictObject, typed, word } from '../../../src/config/schema.ts';

const Field = Type.String({ minLength: 1, description: 'A field.' });
const Schema = strictObject(
  {
    rules: Type.Array(
      Type.Union([
        typed('cut', { cut: Field }, 'Cuts.'),
        typed('keep', { cut: Field }, 'Keeps.'),
        typed('none', {}, 'Does nothing.'),
      ]),
      { description: 'Rules.' },
    ),
    tls: Type.Optional(
      strictObject(
        { port: Type.Integer({ minimum: 1, maximum: 9, default: 2, description: 'P.' }) },
        { description: 'T.' },
      ),
    ),
    expiry: duration({ default: '2m', description: 'E.' }),
    format: word(['a', 'b'], { description: 'F.' }),
    remap: Type.Record(Type.String(), Type.Number(), { default: {}, description: 'R.' }),
    value: Type.Optional(Type.Union([Type.String(), Type.Boolean()], { description: 'V.' })),
    list: Type.Array(strictObject({ name: Field }, { description: 'L.' }), {
      default: [],
      description: 'Ls.',
    }),
  },
  { description: 'All.' },
);

test('nested keys are rows, with type, default and bounds', () => {
  const { description, rows } = describeSchema(Schema);
  expect(description).toBe('All.');
  expect(rows.map((row) => [row.key, row.type, row.isRequired, row.fallback, row.bounds])).toEqual([
    ['rules', 'list: object, by its type', true, undefined, ''],
    ['tls', 'object', false, undefined, ''],
    ['tls.port', 'whole number', false, '2', '1 to 9'],
    ['expiry', 'duration', false, '2m', ''],
    ['format', 'word', true, undefined, 'a, b'],
    ['remap', 'map: number', false, undefined, ''],
    ['value', 'text or boolean', false, undefined, ''],
    ['list', 'list: object', false, undefined, ''],
    ['list[].name', 'text', true, undefined, 'not empty'],
  ]);
});

test('alternatives have tables of their own; those with the same keys share one', () => {
  const { alternatives } = describeSchema(Schema);
  expect(
    alternatives.map(({ path, types, rows }) => [path, types, rows.map(({ key }) => key)]),
  ).toEqual([
    [
      'rules[]',
      [
        ['cut', 'Cuts.'],
        ['keep', 'Keeps.'],
      ],
      ['cut'],
    ],
    ['rules[]', [['none', 'Does nothing.']], []],
  ]);
});

test('the schema for editors requires what has no default, and knows durations by a pattern', () => {
  const schema = editorSchema(Schema, 'Title') as {
    readonly required: readonly string[];
    readonly properties: Readonly<Record<string, { pattern?: string; format?: string }>>;
  };
  expect(schema).toMatchObject({ title: 'Title', $schema: expect.stringContaining('draft-07') });
  expect(schema.required).toEqual(['rules', 'format']);
  const { pattern, format } = schema.properties.expiry!;
  expect(format).toBeUndefined();
  expect('1m30s').toMatch(new RegExp(pattern!));
  expect('30').not.toMatch(new RegExp(pattern!));
});
