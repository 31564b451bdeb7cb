import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ARCHITECTURES, isForeign } from './architectures.ts';
import {
  FOREIGN_KERNELS,
  fetchKernels,
  isLoadProven,
  KERNEL_ENDS,
  KERNELS,
  proveLoad,
} from './kernels.ts';
import { fetchServers } from './servers.ts';
import { ROOT, run, seconds } from './steps.ts';

/**
 * `npm test [-- SUITE…]`: builds and packs what is stale, runs the suites one after the other and
 * ends with the line `N passed, N failed, N skipped`. Suites that take more than this host run
 * only when they are named: `services` with Java and servers (`npm run test:services`), `kernels`
 * with machines (`npm run test:kernels`), and `kernels-load`, a part of it that is left out when
 * the same datapath has passed it before.
 *
 * A suite that cannot run here says why and counts as skipped; with CI=true a skip is a failure.
 */
const DEFAULT_SUITES: readonly string[] = ['unit', 'integration', 'e2e', 'packed'];
const SUITES: readonly string[] = [...DEFAULT_SUITES, 'services', 'kernels', 'kernels-load'];
/** Those in which the packed executable is started. */
const PACKED: readonly string[] = ['e2e', 'packed', 'services', 'kernels', 'kernels-load'];

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** What failed and why, said again above the last line. */
  readonly failures: string[];
}

/** The part of vitest's JSON report that is read. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/** Lines of a failure's message that are said again. */
const FAILURE_LINES = 12;

function runSuite(suite: string, filters: readonly string[], tally: Tally): void {
  const startMs = performance.now();
  const file = join(ROOT, 'build', 'test', `${suite}.json`);
  rmSync(file, { force: true });
  const done = spawnSync(
    'vitest',
    [
      'run',
      ...filters,
      '--config=test/vitest.config.ts',
      `--project=${suite}`,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ],
    { cwd: ROOT, stdio: 'inherit' },
  );
  count(suite, file, done.status, tally);
  console.log(`${suite}: ${seconds(performance.now() - startMs)}\n`);
}

function count(suite: string, file: string, status: number | null, tally: Tally): void {
  if (!existsSync(file)) {
    tally.failures.push(`${suite}: vitest ended with ${status} and wrote no report`);
    tally.failed += 1;
    return;
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  tally.passed += report.numPassedTests;
  tally.skipped += report.numPendingTests + report.numTodoTests;
  // A file that cannot be loaded, or an error outside of any test, fails without a failed test.
  tally.failed += status === 0 ? 0 : Math.max(1, report.numFailedTests);
  tally.failures.push(...failuresOf(suite, report));
}

function failuresOf(suite: string, report: Report): string[] {
  return report.testResults.flatMap(({ name, message, assertionResults }) => {
    const file = `${suite}: ${relative(ROOT, name)}`;
    const failed = assertionResults
      .filter(({ status }) => status === 'failed')
      .map((test) => `${file}: ${test.fullName}\n${firstLines(test.failureMessages ?? [])}`);
    return failed.length === 0 && message !== '' ? [`${file}\n${firstLines([message])}`] : failed;
  });
}

function firstLines(messages: readonly string[]): string {
  return messages
    .flatMap((message) => message.split('\n').slice(0, FAILURE_LINES))
    .map((line) => `  ${line}`)
    .join('\n');
}

const [named, filters] = split(process.argv.slice(2));
const given = named.filter((suite) => suite !== 'kernels-load' || !isLoadProven());
run('node', ['scripts/build.ts']);
if (PACKED.some((suite) => given.includes(suite))) run('node', ['scripts/pack.ts']);
if (given.includes('kernels')) {
  for (const { name } of ARCHITECTURES.filter(isForeign)) {
    run('node', ['scripts/pack.ts', '--arch', name]);
  }
}
if (given.includes('services')) fetchServers();
if (given.includes('kernels')) fetchKernels([...KERNELS, ...FOREIGN_KERNELS]);
else if (given.includes('kernels-load')) fetchKernels(KERNEL_ENDS);

const tally: Tally = { passed: 0, failed: 0, skipped: 0, failures: [] };
for (const suite of given) {
  const failedBefore = tally.failed;
  runSuite(suite, filters, tally);
  if (suite === 'kernels-load' && tally.failed === failedBefore) proveLoad();
}

const strict = process.env.CI === 'true';
if (strict && tally.skipped > 0) {
  console.log('CI=true: a skipped test counts as failed');
  tally.failed += tally.skipped;
  tally.skipped = 0;
}
for (const failure of tally.failures) console.log(failure);
console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`);
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;

/** `npm test -- e2e datapath` runs the end-to-end tests whose path has `datapath` in it. */
function split(args: readonly string[]): [readonly string[], readonly string[]] {
  const suites = args.filter((arg) => SUITES.includes(arg));
  const rest = args.filter((arg) => !SUITES.includes(arg));
  return [suites.length === 0 ? DEFAULT_SUITES : suites, rest];
}
