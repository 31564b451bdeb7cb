import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FLOWLOGS_PIPELINE_DIFFERENCES } from '../../../scripts/flowlogs-pipeline-differences.ts';
import { FLOWLOGS_PIPELINE_OPTIONS } from '../../../scripts/flowlogs-pipeline-options.ts';
import { optionsOf } from '../../../scripts/gen-compatibility.ts';
import { ROOT } from '../../support/source-tree.ts';

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

test('a test shows what is said of each difference, which belongs to a known option', () => {
  for (const { where, option, test: shown } of FLOWLOGS_PIPELINE_DIFFERENCES) {
    const [file, name] = shown;
    expect(readFileSync(join(ROOT, 'test', file), 'utf8')).toContain(`'${name}`);
    if (option !== undefined) expect(FLOWLOGS_PIPELINE_OPTIONS[where]).toContain(option);
  }
});
