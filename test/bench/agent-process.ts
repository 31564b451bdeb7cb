/** `netobserv agent` as a container runs it: the packed executable, sending to a collector. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withoutNodes } from '../../src/commands/environment.ts';
import { Lab } from '../support/lab/netns.ts';
import { type Program, startProgram } from '../support/processes/program.ts';
import { EVERYTHING } from './features.ts';
import type { Figure } from './figure.ts';
import { cpuSeconds, medianOf, residentMegabytes } from './usage.ts';

const STARTS = 5;
const POLL_MS = 5;
const IDLE_MS = 12_000;
const SAMPLE_MS = 100;
const FLOWS_PER_SECOND = 10_000;
const LOAD_SECONDS = 30;
const CACHE_MAX_FLOWS = 100_000;

export async function benchAgentProcess(): Promise<readonly Figure[]> {
  await using lab = new Lab();
  const left = lab.namespace('left');
  const right = lab.namespace('right');
  const [sender, watched] = lab.pair({ namespace: left }, { namespace: right });
  const script = join(import.meta.dirname, '../support/net/collector-child.ts');
  const collector = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const cache = mkdtempSync(join(tmpdir(), 'netobserv-bench-'));
  try {
    const [port] = (await once(collector.stdout, 'data')) as [Buffer];
    const env = {
      // With variables of Node's the executable starts twice.
      ...(withoutNodes(process.env) ?? process.env),
      NETOBSERV_CACHE_DIR: cache,
      TARGET_HOST: '127.0.0.1',
      TARGET_PORT: port.toString().trim(),
      INTERFACES: watched,
      CACHE_MAX_FLOWS: String(CACHE_MAX_FLOWS),
    };
    return [
      await firstHookFigure('', env, 250),
      await firstHookFigure(', everything on', { ...env, ...EVERYTHING }, 1000),
      ...(await loadFigures(env, () =>
        lab.sweep(left, sender, {
          flows: FLOWS_PER_SECOND * LOAD_SECONDS,
          perSecond: FLOWS_PER_SECOND,
        }),
      )),
    ];
  } finally {
    collector.stdin.end();
    await once(collector, 'exit');
    rmSync(cache, { recursive: true });
  }
}

function startAgentProcess(env: NodeJS.ProcessEnv): Program {
  return startProgram(['agent'], { flavour: 'packed', env });
}

/** Time from the process's start until the kernel has a TCX link of it. The first run unpacks. */
async function firstHookFigure(what: string, env: NodeJS.ProcessEnv, max: number): Promise<Figure> {
  const timesMs: number[] = [];
  for (let start = 0; start <= STARTS; start++) {
    const fromMs = performance.now();
    const program = startAgentProcess(env);
    try {
      while (!hasHook(program.child)) await sleep(POLL_MS);
      if (start > 0) timesMs.push(performance.now() - fromMs);
      await program.waitFor(/agent is up/);
    } finally {
      await program.stop();
    }
  }
  return {
    name: `agent, first hook after the start of the executable${what}`,
    value: medianOf(timesMs),
    unit: 'ms',
    target: { max },
    note: `median of ${STARTS}: ${timesMs.map((ms) => ms.toFixed(0)).join(', ')}`,
  };
}

/**
 * Descriptors are looked at by their links: the kernel takes so long for the text of all of them
 * that the look would use one of two CPUs.
 */
function hasHook({ pid, exitCode }: ChildProcess): boolean {
  if (exitCode !== null) throw new Error(`the agent ended with ${exitCode}`);
  return readdirSync(`/proc/${pid}/fd`).some((fd) => {
    try {
      if (!readlinkSync(`/proc/${pid}/fd/${fd}`).includes('bpf_link')) return false;
      return /^link_type:\s+tcx$/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'));
    } catch {
      // The link has been closed meanwhile.
      return false;
    }
  });
}

async function loadFigures(
  env: NodeJS.ProcessEnv,
  load: () => Promise<unknown>,
): Promise<Figure[]> {
  const program = startAgentProcess(env);
  try {
    await program.waitFor(/agent is up/);
    await sleep(IDLE_MS);
    const idle = residentMegabytes(program, 'VmRSS');
    const cpuBefore = cpuSeconds(program);
    const total: number[] = [];
    const anonymous: number[] = [];
    const timer = setInterval(() => {
      total.push(residentMegabytes(program, 'VmRSS'));
      anonymous.push(residentMegabytes(program, 'RssAnon'));
    }, SAMPLE_MS);
    await load();
    clearInterval(timer);
    const cpu = (cpuSeconds(program) - cpuBefore) / LOAD_SECONDS;
    return [
      { name: 'agent, resident memory, idle', value: idle, unit: 'MB' },
      {
        name: 'agent, resident memory at 10k new flows/s, 100k entries, median',
        value: medianOf(total),
        unit: 'MB',
        target: { max: 80 },
        note: `peak ${Math.max(...total).toFixed(1)} MB`,
      },
      {
        name: 'agent, the same without code and other pages of files',
        value: medianOf(anonymous),
        unit: 'MB',
        note: `peak ${Math.max(...anonymous).toFixed(1)} MB`,
      },
      { name: 'agent, CPU at 10k new flows/s', value: cpu * 100, unit: '% of a core' },
    ];
  } finally {
    await program.stop();
  }
}
