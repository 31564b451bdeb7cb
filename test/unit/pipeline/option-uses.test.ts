import { expect, test } from 'vitest';
import { optionsOf } from '../../../scripts/gen-compatibility.ts';
import type { Shape } from '../../../src/config/schema.ts';
import { STAGE_TYPES } from '../../../src/pipeline/stages.ts';
import { isUsed, optionUsesOf } from '../../support/models/option-uses.ts';
import { sourceFiles } from '../../support/source-tree.ts';

/** Stages that are made by the code of another one, with its options. */
const ALIASES: Readonly<Record<string, string>> = { collector: 'ipfix', genericmap: 'grpc' };

/** Options below this key are those of another stage, whose code reads them. */
const SHARED_KEY = 'kafka.';
const SHARED: Readonly<Record<string, string>> = {
  'ingest ipfix': 'ingest kafka',
  'ingest collector': 'ingest kafka',
  'ingest sflow': 'ingest kafka',
  'ingest datagrams': 'encode kafka',
};

function isShared(stage: string, option: string): boolean {
  return Object.hasOwn(SHARED, stage) && option.startsWith(SHARED_KEY);
}

const files = sourceFiles('test')
  .filter(({ path }) => path.endsWith('.ts') && !path.startsWith('test/bench/'))
  .map(optionUsesOf);

test('every option of every stage is in the configuration of a test of the stage', () => {
  const unused = STAGE_TYPES.flatMap(({ section, type }) => {
    const known = ALIASES[type] ?? type;
    const own = files.filter(({ words }) => words.has(known));
    const stage = `${section} ${type}`;
    return [...optionsOf(stage)!.keys()]
      .filter((option) => !isShared(stage, option))
      .filter((option) => !own.some((uses) => isUsed(uses, known, option)))
      .map((option) => `${section} ${type}: ${option}`);
  });
  expect(unused).toEqual([]);
});

test.each(Object.entries(SHARED))('%s: the options below kafka are those of %s', (stage, other) => {
  const below = [...optionsOf(stage)!.keys()].filter((option) => isShared(stage, option));
  expect(below.length).toBeGreaterThan(0);
  const known = optionsOf(other)!;
  expect(below.filter((option) => !known.has(option.slice(SHARED_KEY.length)))).toEqual([]);
});

test.each(Object.entries(ALIASES))('%s has the options of %s', (alias, type) => {
  const [one, other] = [alias, type].map((name) => STAGE_TYPES.find((type) => type.type === name)!);
  expect((one!.schema as Shape).properties).toEqual((other!.schema as Shape).properties);
});

test.each([
  ['a: { b: 1 }', 'a', 'b', true],
  ['const options = { b: 1 }; const type = "a"', 'a', 'b', true],
  ['a: { c: { b: 1 } }', 'a', 'b', false],
  ['a: { rules: [{ c: { b: 1 } }] }', 'a', 'rules[].c.b', true],
  ['a: { rules: [{ b: 1 }] }', 'a', 'rules[].c.b', false],
  ['text: `a:\n  c: { b: 1 }`', 'a', 'c.b', true],
])('%s: %s.%s: %s', (text, type, option, wanted) => {
  const code = text.startsWith('const') ? text : `const config = { ${text} }`;
  const uses = optionUsesOf({ path: 'x.ts', text: code, lines: [] });
  expect(isUsed(uses, type, option)).toBe(wanted);
});
