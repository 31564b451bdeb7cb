import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDatapath } from './build.ts';
import { filesBelow, ROOT, seconds } from './steps.ts';

/** `npm run check`: every check of the sources that does not run the program. */
interface Check {
  readonly name: string;
  readonly command: readonly string[];
  /** What to run or do if the check fails. */
  readonly fix: string;
}

const SHELL_SCRIPTS = [...filesBelow('scripts'), ...filesBelow('.ci')].filter((path) =>
  /^#!.*\b(ba)?sh\b/.test(readFileSync(join(ROOT, path), 'utf8').split('\n', 1)[0]!),
);
const C_SOURCES = [...filesBelow('bpf'), ...filesBelow('native')].filter((path) =>
  /\.[ch]$/.test(path),
);

const CHECKS: readonly Check[] = [
  { name: 'types', command: ['tsc', '-p', '.'], fix: 'correct the types' },
  { name: 'web types', command: ['tsc', '-p', 'src/console/web'], fix: 'correct the types' },
  { name: 'biome', command: ['biome', 'ci', '.'], fix: 'npx biome check --write .' },
  { name: 'knip', command: ['knip'], fix: 'remove what nobody uses' },
  // Types are left out: a contract may have types that no other file names.
  {
    name: 'knip, without tests',
    command: ['knip', '--production', '--exclude', 'types'],
    fix: 'remove what only tests use, or move it to test/support',
  },
  {
    name: 'house rules',
    command: [
      ...['vitest', 'run', 'test/unit/tidy.test.ts', '--reporter=dot'],
      ...['--config=test/vitest.config.ts', '--project=unit'],
    ],
    fix: 'follow src/ARCHITECTURE.md',
  },
  { name: 'generated', command: ['node', 'scripts/gen.ts', '--check'], fix: 'npm run gen' },
  { name: 'shell', command: ['shellcheck', ...SHELL_SCRIPTS], fix: 'follow the advice above' },
  ...(existsSync(join(ROOT, '.clang-format'))
    ? [
        {
          name: 'C format',
          command: ['clang-format', '--dry-run', '-Werror', ...C_SOURCES],
          fix: `clang-format -i ${C_SOURCES.join(' ')}`,
        },
      ]
    : []),
];

/** Number of checks that run at once; most of them use more than one core themselves. */
const PARALLEL_MAX = 2;

async function runCheck(check: Check): Promise<boolean> {
  const startMs = performance.now();
  const [command, ...args] = check.command;
  const child = spawn(command!, args, {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pieces: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => pieces.push(piece));
  child.stderr.on('data', (piece: Buffer) => pieces.push(piece));
  const failure = await new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => {
      resolve(code === 0 ? undefined : `exit code ${code ?? signal}`);
    });
  });
  const took = seconds(performance.now() - startMs);
  if (failure === undefined) {
    console.log(`ok      ${check.name} (${took})`);
    return true;
  }
  console.log(`\nFAILED  ${check.name}: ${check.command.slice(0, 4).join(' ')}: ${failure}`);
  console.log(`${Buffer.concat(pieces).toString('utf8').trimEnd()}\n  fix: ${check.fix}\n`);
  return false;
}

// The generated layout of the C structs is read from the compiled object.
await buildDatapath();

const waiting = [...CHECKS];
const failed: string[] = [];
async function work(): Promise<void> {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
    if (!(await runCheck(check))) failed.push(check.name);
  }
}
await Promise.all(Array.from({ length: PARALLEL_MAX }, work));
if (failed.length > 0) {
  console.log(`check failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
