import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exposeCollection } from '../../src/commands/daemon/memory.ts';
import { violations } from '../support/codec/mutations.ts';
import { fuzzPbflow } from '../support/codec/pbflow-fuzz.ts';
import { type UntrustedReader, untrustedReaders } from '../support/codec/untrusted-samples.ts';
import type { Figure } from './figure.ts';

/**
 * Every reader of bytes from outside, each with ten million abnormal inputs, or
 * NETOBSERV_UNTRUSTED_INPUTS of them: a reader may throw only with a code, and must not read beyond
 * its input, take long, find more than the input has, count what it did not find, or keep memory.
 *
 * `node test/bench/untrusted.ts [INPUTS] [SEED] [NAME…]` runs it for the readers with such names.
 */
const INPUTS = Number(process.env.NETOBSERV_UNTRUSTED_INPUTS ?? 10_000_000);
/** Inputs between two looks at the memory; each portion has a seed of its own. */
const PORTION_INPUTS = 50_000;
/** Portions from which growth can be told from what caches fill. */
const PORTIONS_MIN = 20;
/** Growth of the memory in use from the first half of the portions to the second. */
const GROWTH_MAX_MIB = 2;

export async function benchUntrusted(): Promise<readonly Figure[]> {
  return untrusted(INPUTS, 1, []);
}

async function untrusted(
  inputs: number,
  seed: number,
  names: readonly string[],
): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-untrusted-'));
  const pbflow = { name: 'pbflow, long lists and noise', samples: [], read: () => '' };
  const chosen = [...untrustedReaders(folder), pbflow].filter(
    ({ name }) => names.length === 0 || names.some((one) => name.toLowerCase().includes(one)),
  );
  const figures = chosen.flatMap((reader) => {
    const run =
      reader === pbflow
        ? (count: number, own: number) => noteThrown(() => fuzzPbflow(count, own))
        : (count: number, own: number) => violations(reader.samples, count, own, reader.read);
    return figuresOf(reader, inputs, seed, run);
  });
  rmSync(folder, { recursive: true });
  return figures;
}

function noteThrown(run: () => unknown): readonly string[] {
  try {
    run();
    return [];
  } catch (error) {
    return [String(error)];
  }
}

function figuresOf(
  { name }: Pick<UntrustedReader, 'name'>,
  inputs: number,
  seed: number,
  run: (count: number, seed: number) => readonly string[],
): readonly Figure[] {
  const heap = exposeCollection();
  const used: number[] = [];
  const found: string[] = [];
  const { user, system } = process.cpuUsage();
  for (let done = 0; done < inputs && found.length === 0; done += PORTION_INPUTS) {
    const own = seed + used.length;
    const portion = run(Math.min(PORTION_INPUTS, inputs - done), own);
    found.push(...portion.map((problem) => `seed ${own}: ${problem}`));
    heap.collect({ type: 'major' });
    const { heapUsed, external } = process.memoryUsage();
    used.push(heapUsed + external);
  }
  const spent = process.cpuUsage();
  const cpuS = (spent.user + spent.system - user - system) / 1e6;
  const [note] = found;
  const shown = `${name}, ${inputs.toLocaleString('en')} inputs from seed ${seed}`;
  return [
    {
      name: `${shown}, misread`,
      value: found.length,
      unit: 'inputs',
      target: { max: 0 },
      ...(note === undefined ? {} : { note }),
    },
    { name: `${name}, inputs read in a second of CPU time`, value: inputs / cpuS, unit: '1/s' },
    ...growthOf(name, used),
  ];
}

function growthOf(name: string, used: readonly number[]): readonly Figure[] {
  if (used.length < PORTIONS_MIN) return [];
  const half = used.length >> 1;
  const growth = Math.max(...used.slice(half)) - Math.max(...used.slice(0, half));
  const target = { max: GROWTH_MAX_MIB };
  return [{ name: `${name}, memory kept`, value: growth / 2 ** 20, unit: 'MiB', target }];
}

if (import.meta.main) {
  const [inputs = INPUTS, seed = 1, ...names] = process.argv.slice(2);
  const figures = await untrusted(Number(inputs), Number(seed), names);
  for (const figure of figures) console.log(JSON.stringify(figure));
}
