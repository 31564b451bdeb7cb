import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Check } from 'typebox/schema';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { editorSchema } from '../../../src/config/describe.ts';
import type { Shape } from '../../../src/config/schema.ts';
import * as consoleSchemas from '../../../src/console/server/parameters.ts';
import { fileSchema } from '../../../src/pipeline/config.ts';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import type { StageType } from '../../../src/pipeline/stage.ts';
import { STAGE_TYPES } from '../../../src/pipeline/stages.ts';
import { MemoryStore } from '../../support/models/interpreter/memory-store.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';
import { partsOf } from '../../support/models/schemas.ts';
import { ROOT } from '../../support/source-tree.ts';

/** Every keyword of `Shape`: `validate` handles only these. */
const KEYWORDS: readonly (keyof Shape)[] = [
  ...(['type', 'format', 'description', 'default', 'examples', 'const', 'enum'] as const),
  ...(['anyOf', 'properties', 'additionalProperties', 'required'] as const),
  ...(['patternProperties', 'items', 'minimum', 'maximum', 'minLength', 'minItems'] as const),
];

/** Every schema used to check a document. */
const DOCUMENTS = partsOf(fileSchema(STAGE_TYPES) as Shape, 'pipeline');
const REQUESTS = Object.entries(consoleSchemas)
  .filter(([, value]) => typeof value === 'object')
  .flatMap(([name, schema]) => partsOf(schema as Shape, name));

test('every property of every schema has a description', () => {
  const bare = [...DOCUMENTS, ...REQUESTS].filter(
    ({ isProperty, shape }) => isProperty && (shape.description ?? '') === '',
  );
  expect(bare.map(({ path }) => path)).toEqual([]);
  expect(REQUESTS.length).toBeGreaterThan(30);
});

test('schemas of documents use no keyword that the validator would pass over', () => {
  const strange = DOCUMENTS.flatMap(({ path, shape }) =>
    Object.keys(shape)
      .filter((keyword) => !(KEYWORDS as readonly string[]).includes(keyword))
      .map((keyword) => `${path}: ${keyword}`),
  );
  expect(strange).toEqual([]);
});

test('objects of documents refuse keys that they do not have', () => {
  const open = DOCUMENTS.filter(
    ({ shape }) => shape.properties !== undefined && shape.additionalProperties !== false,
  );
  expect(open.map(({ path }) => path)).toEqual([]);
});

/** A pipeline around one stage. */
function around({ section, type, isAlone }: StageType, options: unknown): PipelineConfig {
  const stage = { name: 'stage', [section]: { type, [type]: options } };
  const end = { name: 'end', write: { type: 'none' } };
  const first =
    section === 'ingest' ? { name: 'stage' } : { name: 'stage', follows: 'preset-ingester' };
  if (section === 'encode' || section === 'write' || isAlone === true)
    return { pipeline: [first], parameters: [stage] };
  return { pipeline: [first, { name: 'end', follows: 'stage' }], parameters: [stage, end] };
}

const editor = editorSchema(fileSchema(STAGE_TYPES), 'title');
const reference = readFileSync(join(ROOT, 'deploy/reference/pipeline.gen.md'), 'utf8');

describe.each(STAGE_TYPES.map((type) => [`${type.section} ${type.type}`, type] as const))(
  '%s',
  (_name, type) => {
    const { examples = [], description = '' } = type.schema as Shape;

    test('has a description and an example that compiles', () => {
      expect(description).not.toBe('');
      expect(examples.length).toBeGreaterThan(0);
      for (const options of examples) {
        const stores = { default: new MemoryStore() };
        const { pipeline } = testPipeline(around(type, options), { stores });
        expect(pipeline.plan()).toContain('stage');
      }
    });

    test('has its schema where the operator and the command line may import it', async () => {
      const file = type.type.replaceAll('_', '-');
      const path = join(ROOT, `src/pipeline/options/${type.section}/${file}.ts`);
      const exported = Object.values((await import(path)) as Record<string, unknown>);
      expect(exported).toContain(type.schema);
    });

    test('editors accept the example, and no other key', () => {
      for (const options of examples) {
        expect(Check(editor, around(type, options))).toBe(true);
        expect(Check(editor, around(type, { ...(options as object), strange: 1 }))).toBe(false);
      }
    });

    test('is on the reference page, with all keys', () => {
      const start = reference.indexOf(`### ${type.section}: ${type.type}\n`);
      expect(start).toBeGreaterThan(0);
      const end = reference.indexOf('\n### ', start + 1);
      const page = reference.slice(start, end === -1 ? undefined : end);
      expect(page).toContain(description);
      const keys = partsOf(type.schema as Shape, '').filter(({ isProperty }) => isProperty);
      for (const { path } of keys) expect(page).toContain(path.split('.').at(-1)!);
    });
  },
);

test('the page has the keys of the graph and of the program', () => {
  const keys = ['pipeline[].follows', 'pipeline[].whenFull', 'parameters[].name'];
  keys.push('metricsSettings.port', 'metricsSettings.tls.certPath', 'dynamicParameters');
  for (const key of keys) expect(reference).toContain(`| \`${key}\` |`);
});

test('the pipeline at the top of the page compiles', () => {
  const [, text] = /```yaml\n(.*?)```/s.exec(reference)!;
  const { pipeline } = testPipeline(parse(text!) as PipelineConfig);
  expect(pipeline.plan()).toContain('print');
});

test('editors take durations with a unit, and need no key that has a default', () => {
  const metrics = [{ name: 'm', type: 'counter' }];
  const prom = STAGE_TYPES.find(({ type }) => type === 'prom')!;
  expect(Check(editor, around(prom, { metrics, expiryTime: '1m30s' }))).toBe(true);
  expect(Check(editor, around(prom, { metrics, expiryTime: '90' }))).toBe(false);
  expect(Check(editor, around(prom, { metrics: [{ name: 'm' }] }))).toBe(false);
});
