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
import { ROOT, run } from './steps.ts';

/**
 * `npm test [-- SUITE… FILTER…]`: builds and packs what is stale, runs the suites one after the
 * other and ends with a table of them and the line `N passed, N failed, N skipped`. Suites that
 * repeat others, or need more than this host, run only if named: `packed`, `services` with Java, Go
 * and servers (`npm run test:services`), `kernels` with machines (`npm run test:kernels`), and
 * `kernels-load`, a part of `kernels` that is skipped if the same datapath has already passed it.
 *
 * A suite that cannot run here gives the reason and counts as skipped; with CI=true a skip is a
 * failure.
 */
interface Suite {
  readonly about: string;
  /** Projects of test/vitest.config.ts; default: the suite's name. */
  readonly projects?: readonly string[];
  /** Runs even if not named. */
  readonly isDefault?: true;
  /** Starts the packed executable. */
  readonly isPacked?: true;
}

const SUITES: Readonly<Record<string, Suite>> = {
  unit: { about: 'functions and components, without the kernel', isDefault: true },
  integration: { about: 'clients and servers on real sockets, and the store', isDefault: true },
  e2e: {
    about: 'the program on this kernel, with traffic and a browser; needs root',
    projects: ['e2e', 'e2e-alone'],
    isDefault: true,
    isPacked: true,
  },
  packed: {
    about: 'some of e2e again, with the packed executable; needs root',
    projects: ['packed', 'packed-alone'],
    isPacked: true,
  },
  services: {
    about: 'Kafka, Prometheus, OpenTelemetry, S3, Kubernetes, routers; needs Java and Go',
    isPacked: true,
  },
  kernels: { about: 'other kernels in virtual machines', isPacked: true },
  'kernels-load': { about: 'what the oldest and the newest kernel load', isPacked: true },
};

/** Every test that cannot run appends its reason here; see test/support/require.ts. */
const SKIPS_FILE = join(ROOT, 'build', 'test', 'skips.txt');

/** One suite's counts, and its failures, which are repeated above the table. */
interface Tally {
  readonly suite: string;
  passed: number;
  failed: number;
  skipped: number;
  ms: number;
  readonly failures: string[];
}

/** The fields read from vitest's JSON report. */
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

/** Number of lines of a failure's message that are repeated. */
const FAILURE_LINES = 12;

function runSuite(suite: string, filters: readonly string[]): Tally {
  const { about, projects = [suite] } = SUITES[suite]!;
  console.log(`\n${suite}: ${about}`);
  const startMs = performance.now();
  const file = join(ROOT, 'build', 'test', `${suite}.json`);
  rmSync(file, { force: true });
  const done = spawnSync(
    'vitest',
    [
      'run',
      ...filters,
      '--config=test/vitest.config.ts',
      ...projects.map((project) => `--project=${project}`),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${file}`,
    ],
    { cwd: ROOT, stdio: 'inherit', env: { ...process.env, NETOBSERV_SKIPS: SKIPS_FILE } },
  );
  return { ...count(suite, file, done.status), ms: performance.now() - startMs };
}

function count(suite: string, file: string, status: number | null): Tally {
  if (!existsSync(file)) {
    const failures = [`${suite}: vitest ended with ${status} and wrote no report`];
    return { suite, passed: 0, failed: 1, skipped: 0, ms: 0, failures };
  }
  const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  const failures = failuresOf(suite, report);
  if (status !== 0 && failures.length === 0) {
    failures.push(`${suite}: an error outside of any test, see "Unhandled Errors" above`);
  }
  return {
    suite,
    passed: report.numPassedTests,
    // A file that cannot be loaded, a worker that crashes, and an error outside of any test are
    // failures without a failed test.
    failed: status === 0 ? 0 : Math.max(1, report.numFailedTests),
    skipped: report.numPendingTests + report.numTodoTests,
    ms: 0,
    failures,
  };
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

/** A table with one line for each suite, and one for their sum. */
function tableOf(rows: readonly Tally[]): string {
  const head = ['suite', 'passed', 'failed', 'skipped', 'time'];
  const lines = rows.map(({ suite, passed, failed, skipped, ms }) =>
    [suite, passed, failed, skipped, duration(ms)].map(String),
  );
  const widths = head.map((_, at) => Math.max(...[head, ...lines].map((line) => line[at]!.length)));
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
        .join('  '),
    )
    .join('\n');
}

/** Minutes and seconds. */
function duration(ms: number): string {
  const whole = Math.round(ms / 1000);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** Each reason for skipped tests, with the number of files that gave it. */
function skipReasons(): readonly string[] {
  if (!existsSync(SKIPS_FILE)) return [];
  const counts = new Map<string, number>();
  for (const reason of readFileSync(SKIPS_FILE, 'utf8').trimEnd().split('\n')) {
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, times]) => `skipped, ${times}×: ${reason}`);
}

/** `npm test -- e2e datapath` runs the end-to-end tests with `datapath` in their path. */
function split(args: readonly string[]): [readonly string[], readonly string[]] {
  const suites = args.filter((arg) => arg in SUITES);
  const rest = args.filter((arg) => !(arg in SUITES));
  const defaults = Object.keys(SUITES).filter((suite) => SUITES[suite]!.isDefault);
  return [suites.length === 0 ? defaults : suites, rest];
}

/** Builds, packs and downloads what the suites need if it is stale. */
function prepare(suites: readonly string[]): void {
  run('node', ['scripts/build.ts']);
  if (suites.some((suite) => SUITES[suite]!.isPacked)) run('node', ['scripts/pack.ts']);
  if (suites.includes('kernels')) {
    for (const { name } of ARCHITECTURES.filter(isForeign)) {
      run('node', ['scripts/pack.ts', '--arch', name]);
    }
  }
  if (suites.includes('services')) fetchServers();
  if (suites.includes('kernels')) fetchKernels([...KERNELS, ...FOREIGN_KERNELS]);
  else if (suites.includes('kernels-load')) fetchKernels(KERNEL_ENDS);
}

function main(): void {
  const [named, filters] = split(process.argv.slice(2));
  const given = named.filter((suite) => suite !== 'kernels-load' || !isLoadProven());
  const strict = process.env.CI === 'true';
  console.log(`suites: ${given.join(', ')}`);
  if (process.getuid?.() !== 0) {
    const effect = strict ? 'fail, since CI=true' : 'are skipped';
    console.log(`not root: tests that attach programs to the kernel ${effect}`);
  }
  prepare(given);
  rmSync(SKIPS_FILE, { force: true });

  const tallies: Tally[] = [];
  for (const suite of given) {
    const tally = runSuite(suite, filters);
    tallies.push(tally);
    if (suite === 'kernels-load' && tally.failed === 0) proveLoad();
  }
  for (const tally of tallies) {
    if (!strict || tally.skipped === 0) continue;
    tally.failures.push(`${tally.suite}: ${tally.skipped} skipped, which CI=true counts as failed`);
    tally.failed += tally.skipped;
    tally.skipped = 0;
  }
  for (const line of [...skipReasons(), ...tallies.flatMap(({ failures }) => failures)]) {
    console.log(line);
  }
  console.log(`\n${tableOf(tallies)}\n`);
  const sum = (key: 'passed' | 'failed' | 'skipped') =>
    tallies.reduce((total, tally) => total + tally[key], 0);
  const [passed, failed] = [sum('passed'), sum('failed')];
  console.log(`${passed} passed, ${failed} failed, ${sum('skipped')} skipped`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

main();
