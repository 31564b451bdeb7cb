/** `npm run gen` writes every generated file; `--check` only reports which are out of date. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { generateCompatibility } from './gen-compatibility.ts';
import { generateConfigurationReference } from './gen-configuration.ts';
import { generateErrorsReference } from './gen-errors.ts';
import { generateFlowsReference } from './gen-flows.ts';
import { generateLayout } from './gen-layout.ts';
import { generateMeasuresReference } from './gen-measures.ts';
import { generateMetricsReference } from './gen-metrics.ts';
import { generatePipelineReference, generatePipelineSchema } from './gen-pipeline.ts';
import type { GeneratedFile } from './generated.ts';
import { ROOT } from './steps.ts';

const GENERATORS: readonly (() => GeneratedFile | Promise<GeneratedFile>)[] = [
  generateFlowsReference,
  generateMeasuresReference,
  generateConfigurationReference,
  generateErrorsReference,
  generateMetricsReference,
  generatePipelineReference,
  generatePipelineSchema,
  generateCompatibility,
  generateLayout,
];

const files = await Promise.all(GENERATORS.map((generate) => generate()));
const drifted = files
  .map(({ path, text }) => ({ path: resolve(ROOT, path), text }))
  .filter(({ path, text }) => !existsSync(path) || readFileSync(path, 'utf8') !== text);

if (process.argv.includes('--check')) {
  for (const { path } of drifted) {
    console.log(`${relative(ROOT, path)} is not what it is generated from: npm run gen`);
  }
  if (drifted.length > 0) process.exitCode = 1;
} else {
  for (const { path, text } of drifted) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${relative(ROOT, path)}`);
  }
}
