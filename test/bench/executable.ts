import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  consoleAddress,
  EXECUTABLE,
  runProgram,
  startProgram,
} from '../support/processes/program.ts';
import type { Figure } from './figure.ts';

const STARTS = 7;

/** Size of the packed executable, and its response time. */
export async function benchExecutable(): Promise<readonly Figure[]> {
  if (!existsSync(EXECUTABLE)) throw new Error('there is no dist/netobserv: run npm run pack');
  const cache = mkdtempSync(join(tmpdir(), 'netobserv-bench-'));
  const env = { NETOBSERV_CACHE_DIR: join(cache, 'cache') };
  try {
    return [
      { name: 'executable, size', value: statSync(EXECUTABLE).size / 1e6, unit: 'MB' },
      { name: 'executable, `version`', value: await median(['version'], env), unit: 'ms' },
      { name: 'executable, `up --help`', value: await median(['up', '--help'], env), unit: 'ms' },
      {
        name: 'executable, `up` to the first answer of the console, libraries to unpack',
        value: await firstAnswerMs(env, join(cache, 'first')),
        unit: 'ms',
      },
      {
        name: 'executable, `up` to the first answer of the console',
        value: await firstAnswerMs(env, join(cache, 'second')),
        unit: 'ms',
      },
    ];
  } finally {
    rmSync(cache, { recursive: true });
  }
}

async function median(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const timesMs: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const fromMs = performance.now();
    const { code, stderr } = await runProgram(args, { flavour: 'packed', env });
    timesMs.push(performance.now() - fromMs);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`);
  }
  return timesMs.sort((a, b) => a - b)[STARTS >> 1]!;
}

async function firstAnswerMs(env: NodeJS.ProcessEnv, data: string): Promise<number> {
  const fromMs = performance.now();
  const args = ['up', '--listen', '127.0.0.1:0', '--data', data, '--interfaces', 'lo'];
  const program = startProgram([...args, '--exclude-interfaces', 'none'], {
    flavour: 'packed',
    env,
  });
  try {
    const answer = await fetch(`${await consoleAddress(program)}/api/status`);
    if (!answer.ok) throw new Error(`/api/status: HTTP ${answer.status}`);
    await answer.text();
    return performance.now() - fromMs;
  } finally {
    await program.stop();
  }
}
