import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NetobservError } from '../../../src/base/errors.ts';
import type { Shape } from '../../../src/config/schema.ts';
import type { PipelineConfig } from '../../../src/pipeline/options/graph.ts';
import { STAGE_TYPES } from '../../../src/pipeline/stages.ts';
import { MemoryStore } from '../../support/models/interpreter/memory-store.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

const FOLLOWS = 'preset-ingester';

/** The examples of all stages in one pipeline. */
function everything(): Record<string, unknown> {
  const parameters = STAGE_TYPES.filter(({ section }) => section !== 'ingest').map(
    ({ section, type, schema }) => {
      const [options] = (schema as Shape).examples ?? [];
      return { name: `${section}-${type}`, [section]: { type, [type]: options } };
    },
  );
  const isSink = (name: string) => /^(encode|write)/.test(name);
  const transforms = parameters.map(({ name }) => name).filter((name) => !isSink(name));
  const pipeline = parameters.map(({ name }) => {
    const before = transforms[transforms.indexOf(name) - 1] ?? FOLLOWS;
    return { name, follows: isSink(name) ? transforms.at(-1)! : before };
  });
  // The examples belong to the schemas, and a test must not change them.
  return structuredClone({ pipeline, parameters, metricsSettings: { port: 9401 } });
}

test('whatever stands in the place of a value, the error is a coded one', () => {
  const deps = { stores: { default: new MemoryStore() } };
  expect(() => testPipeline(everything() as unknown as PipelineConfig, deps)).not.toThrow();
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(50)), fc.jsonValue({ maxDepth: 2 }), (steps, value) => {
      const config = everything();
      put(config, steps, value);
      try {
        testPipeline(config as unknown as PipelineConfig, deps);
      } catch (error) {
        if (!(error instanceof NetobservError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

/** Puts a value somewhere into an object, one level deeper with each step. */
function put(node: object, steps: Iterator<number>, value: unknown): void {
  const keys = Object.keys(node);
  const key = keys[steps.next().value! % keys.length];
  const inner: unknown = key === undefined ? undefined : Reflect.get(node, key);
  const isDeep = typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0;
  if (isDeep && steps.next().value! % 6 > 0) put(inner, steps, value);
  else if (key !== undefined) Reflect.set(node, key, value);
}
