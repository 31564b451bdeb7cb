import type { PipelineDeps } from '../../../../src/pipeline/pipeline.ts';
import { type TestPipeline, testPipeline } from './setup.ts';

/** A pipeline of one ingest stage, `in`, whose flows go to store `a`. */
export function sourcePipeline(
  ingest: Readonly<Record<string, unknown>>,
  overrides: Partial<PipelineDeps> = {},
): TestPipeline {
  return testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'in' }],
      parameters: [
        { name: 'in', ingest },
        { name: 'out', write: { type: 'store', store: { name: 'a' } } },
      ],
    },
    overrides,
  );
}

/** Runs it to the end of its input, and stops it. */
export async function runToEnd({ pipeline }: TestPipeline): Promise<void> {
  await pipeline.start(new AbortController().signal);
  try {
    await pipeline.ended;
  } finally {
    await pipeline.stop();
  }
}
