import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explain } from '../../../src/base/errors.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import type { PipelineConfig, StageParameters } from '../../../src/pipeline/options/graph.ts';
import { anyRow, anyTree, configOf } from '../../support/models/any-pipeline.ts';
import { interpret } from '../../support/models/interpreter/interpret.ts';
import { parseSamples } from '../../support/models/interpreter/prom.ts';
import { appendRows, type Row } from '../../support/models/interpreter/rows.ts';
import {
  PROTOCOLS_FILE,
  SERVICES_FILE,
  testPipeline,
} from '../../support/models/interpreter/setup.ts';
import { WITH_TEST_STAGES } from '../../support/models/interpreter/test-stages.ts';

const FILES = { services: SERVICES_FILE, protocols: PROTOCOLS_FILE };

/** Undefined: the branches of a source give one of its keys several kinds, which is refused. */
function compiled(config: PipelineConfig, tables: TableSpace) {
  try {
    return testPipeline(config, { tables, types: WITH_TEST_STAGES });
  } catch (error) {
    if (/ in one branch and .* in another: rename one$/.test(explain(error))) return undefined;
    throw error;
  }
}

function storeName(parameters: StageParameters): string | undefined {
  return (parameters.write as { store?: { name: string } } | undefined)?.store?.name;
}

test('the compiled pipeline does what the interpreter does, across table rotations', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(
      anyTree,
      fc.array(fc.array(anyRow, { maxLength: 12 }), { maxLength: 4 }),
      fc.option(
        fc.record({
          batches: fc.array(fc.array(anyRow, { maxLength: 6 }), { maxLength: 3 }),
          tree: anyTree,
          joins: fc.boolean(),
          coalesceMs: fc.constantFrom(undefined, 10),
        }),
        { nil: undefined },
      ),
      fc.constantFrom(8, 1_000_000),
      async (shape, batches, second, tableLimit) => {
        const config = configOf(shape, second);
        const bed = compiled(config, new TableSpace(tableLimit));
        fc.pre(bed !== undefined);
        const { pipeline, stores, metrics, clock } = bed;
        await pipeline.start(new AbortController().signal);
        for (const batchRows of batches) {
          const batch = pipeline.take();
          appendRows(batch, batchRows);
          pipeline.emit(batch);
        }
        // Small batches have waited long enough; then extractors emit their rows.
        clock.jump(10);
        await new Promise(setImmediate);
        clock.jump(1000);
        // The families exist as long as the stage runs.
        const samples = parseSamples(await metrics.registry.metrics());
        await pipeline.stop();

        const all = batches.flat();
        const hasExtractor = config.parameters.some(({ extract }) => extract !== undefined);
        const isPlain = second === undefined && !hasExtractor;
        const wanted = interpret(config, all, FILES);
        for (const key of [...samples.keys()]) if (!/^s\d+_/.test(key)) samples.delete(key);
        expect(rounded(samples)).toEqual(rounded(wanted.samples));
        for (const name of ['a', 'b'] as const) {
          const names = config.parameters.filter((one) => storeName(one) === name);
          const reached = names.flatMap((one) => wanted.rows.get(one.name) ?? []);
          expect(sorted(stores[name].rows)).toEqual(sorted(reached));
        }
        for (const { in: arrived, written, filtered, dropped, inFlight } of pipeline.branches()) {
          expect(dropped).toEqual({});
          expect(inFlight).toBe(0);
          if (isPlain) expect(arrived).toBe(all.length);
          expect(written + filtered).toBe(arrived);
        }
      },
    ),
    { numRuns: 300 },
  );
});

/** Flows of two sources may come in another order, which changes the last digit of a sum. */
function rounded(samples: ReadonlyMap<string, number>): ReadonlyMap<string, string> {
  return new Map([...samples].map(([name, value]) => [name, value.toPrecision(12)]));
}

// Branches into one store take turns by batch; their order there is not guaranteed.
function sorted(found: readonly Row[]): readonly string[] {
  const text = (row: Row): string =>
    JSON.stringify(Object.entries(row).sort(([left], [right]) => (left < right ? -1 : 1)));
  return found.map(text).sort();
}
