import { expect, test } from 'vitest';
import { FLOWLOGS_PIPELINE_OPTIONS } from '../../../scripts/flowlogs-pipeline-options.ts';
import { optionsOf } from '../../../scripts/gen-compatibility.ts';

/** Flows are not written to Loki yet. */
const MISSING_STAGES = ['write loki'];

test('every option of flowlogs-pipeline is known', () => {
  const missing = Object.entries(FLOWLOGS_PIPELINE_OPTIONS).flatMap(([stage, keys]) => {
    const options = optionsOf(stage);
    if (options === undefined) return [stage];
    return keys.filter((key) => !options.has(key)).map((key) => `${stage}: ${key}`);
  });
  expect(missing).toEqual(MISSING_STAGES);
});
