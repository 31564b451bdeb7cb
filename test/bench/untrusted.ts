import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { violations } from '../support/codec/mutations.ts';
import { fuzzPbflow } from '../support/codec/pbflow-fuzz.ts';
import { untrustedReaders } from '../support/codec/untrusted-samples.ts';
import type { Figure } from './figure.ts';

/**
 * Every reader of bytes from outside, each with ten million abnormal inputs, or
 * NETOBSERV_UNTRUSTED_INPUTS of them: a reader may throw only with a code, and must not read beyond
 * its input, take long or find more than the input has.
 */
const INPUTS = Number(process.env.NETOBSERV_UNTRUSTED_INPUTS ?? 10_000_000);

export async function benchUntrusted(): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-untrusted-'));
  const figures = untrustedReaders(folder).flatMap(({ name, samples, read }, place) => {
    const startMs = performance.now();
    const found = violations(samples, INPUTS, place + 100, read);
    return figuresOf(name, performance.now() - startMs, found);
  });
  rmSync(folder, { recursive: true });
  const startMs = performance.now();
  fuzzPbflow(INPUTS, 1);
  return [
    ...figures,
    ...figuresOf('pbflow, long lists and noise', performance.now() - startMs, []),
  ];
}

function figuresOf(name: string, elapsedMs: number, found: readonly string[]): readonly Figure[] {
  const [note] = found;
  return [
    {
      name: `${name}, ${INPUTS.toLocaleString('en')} inputs, misread`,
      value: found.length,
      unit: 'inputs',
      target: { max: 0 },
      ...(note === undefined ? {} : { note }),
    },
    { name: `${name}, inputs read`, value: INPUTS / (elapsedMs / 1000), unit: '1/s' },
  ];
}
