import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Bench, type Figure, isMet } from '../test/bench/figure.ts';
import { filesBelow, output, ROOT, run, seconds } from './steps.ts';

/**
 * `npm run bench [-- NAME…]`: runs the benches (exported `bench…` functions) of test/bench, prints
 * their figures beside the targets, and writes build/bench.json.
 */
interface Named {
  readonly name: string;
  readonly bench: Bench;
}

async function findBenches(wanted: readonly string[]): Promise<readonly Named[]> {
  const found: Named[] = [];
  for (const path of filesBelow('test/bench').filter((name) => name.endsWith('.ts'))) {
    const module: unknown = await import(pathToFileURL(join(ROOT, path)).href);
    for (const [name, value] of Object.entries(module as Record<string, unknown>)) {
      if (!/^bench[A-Z]/.test(name) || typeof value !== 'function') continue;
      const matches = wanted.some((word) => name.toLowerCase().includes(word.toLowerCase()));
      if (wanted.length === 0 || matches) found.push({ name, bench: value as Bench });
    }
  }
  return found;
}

function line(figure: Figure): string {
  const { name, value, unit, target, note } = figure;
  const wanted =
    target === undefined ? '' : 'max' in target ? `≤ ${target.max}` : `≥ ${target.min}`;
  const verdict = { true: 'met', false: 'MISSED', undefined: '' }[String(isMet(figure))];
  const shown = [value.toLocaleString('en', { maximumSignificantDigits: 4 }).padStart(12), unit];
  const text = `${name.padEnd(76)}${shown.join(' ').padEnd(26)}${wanted.padEnd(14)}${verdict}`;
  return note === undefined ? text.trimEnd() : `${text.trimEnd()}\n    ${note}`;
}

run('node', ['scripts/pack.ts']);
const figures: (Figure & { readonly bench: string; readonly met: boolean | undefined })[] = [];
const failures: string[] = [];
for (const { name, bench } of await findBenches(process.argv.slice(2))) {
  const startMs = performance.now();
  try {
    const measured = await bench();
    console.log(`\n${name} (${seconds(performance.now() - startMs)})`);
    for (const figure of measured) {
      console.log(line(figure));
      figures.push({ bench: name, ...figure, met: isMet(figure) });
    }
  } catch (error) {
    // If both the run and the cleanup fail, the run's error is the reason.
    console.log(`\n${name}:`, error instanceof SuppressedError ? error.suppressed : error);
    failures.push(name);
  }
}

const report = {
  commit: output('git', ['rev-parse', 'HEAD']),
  date: new Date().toISOString(),
  machine: { kernel: release(), cpu: cpus()[0]?.model, cores: cpus().length },
  figures,
  failures,
};
mkdirSync(join(ROOT, 'build'), { recursive: true });
writeFileSync(join(ROOT, 'build', 'bench.json'), `${JSON.stringify(report, undefined, 2)}\n`);

const missed = figures.filter(({ met }) => met === false).length;
const met = figures.filter((figure) => figure.met === true).length;
console.log(`\n${met} targets met, ${missed} missed, ${failures.length} benches failed`);
process.exitCode = failures.length > 0 ? 1 : 0;
