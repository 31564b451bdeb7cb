import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { programCommand } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 50 } as const;

interface Running {
  readonly end: () => Promise<readonly [code: number | null, signal: string | null]>;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly log: () => string;
}

interface Row {
  readonly Proto?: number;
  readonly SrcPort?: number;
}

/** An agent whose standard streams are files, as with `agent >flows.json 2>agent.log`. */
function agentInto(out: string, log: string, env: Readonly<Record<string, string>>): Running {
  const [command, ...args] = programCommand();
  const fds = [openSync(out, 'a'), openSync(log, 'a')] as const;
  const child = spawn(command!, [...args, 'agent'], {
    env: { ...process.env, EXPORT: 'stdout', LISTEN_CONTAINERS_PERIOD: '0', ...env },
    stdio: ['ignore', ...fds],
  });
  for (const fd of fds) closeSync(fd);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    end: () => ended,
    kill: (signal) => void child.kill(signal),
    log: () => readFileSync(log, 'utf8'),
  };
}

/** A folder that is removed after the test. */
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'netobserv-ends-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** A file system with room for 256 KiB. */
function smallDisk(): string {
  const path = folder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path]);
  onTestFinished(() => void execFileSync('umount', ['-l', path]));
  return path;
}

const isUp = (agent: Running) => (): boolean => agent.log().includes('"msg":"agent is up"');

const rowsIn = (path: string): readonly Row[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);

/** Ports of the flows of a sweep that begins at this one. */
const sweptPorts = (path: string): ReadonlySet<number> =>
  new Set(
    rowsIn(path)
      .filter(({ Proto, SrcPort }) => Proto === 17 && SrcPort! >= 1024)
      .map(({ SrcPort }) => SrcPort!),
  );

describe.skipIf(requireRoot())('the end of an agent', () => {
  function pairOf(lab: Lab): { left: string; pair: LabPair } {
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    return { left, pair: new LabPair(lab, left, right) };
  }

  test.each(['SIGHUP', 'SIGINT'] as const)('%s hands on what was counted', async (signal) => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const [out, log] = [join(folder(), 'flows.json'), join(folder(), 'agent.log')];
    const agent = agentInto(out, log, {
      INTERFACES: pair.a,
      TC_ATTACH_MODE: 'tc',
      CACHE_ACTIVE_TIMEOUT: '1h',
    });
    await expect.poll(isUp(agent), SOON).toBe(true);
    await lab.sweep(left, pair.a, { flows: 100, perSecond: 10_000 });
    agent.kill(signal);
    expect(await agent.end()).toEqual([0, null]);
    expect(sweptPorts(out).size).toBe(100);
    // Filters would outlive a process that just ends.
    expect(lab.inside(left, 'tc', 'qdisc', 'show', 'dev', pair.a)).not.toContain('clsact');
  });

  test('a disk that is full for a while costs no flow, and cuts no line in two', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const disk = smallDisk();
    const [out, log] = [join(disk, 'flows.json'), join(folder(), 'agent.log')];
    const agent = agentInto(out, log, { INTERFACES: pair.a, CACHE_ACTIVE_TIMEOUT: '300ms' });
    await expect.poll(isUp(agent), SOON).toBe(true);
    // Fills the rest except for a piece that is not a whole number of lines.
    writeFileSync(join(disk, 'fill'), 'x'.repeat(220 * 1024));
    const flows = 500;
    await lab.sweep(left, pair.a, { flows, perSecond: 10_000 });
    await expect.poll(agent.log, SOON).toContain('"msg":"flows cannot be delivered"');
    rmSync(join(disk, 'fill'));
    await expect.poll(agent.log, SOON).toContain('"msg":"flows are delivered again"');
    agent.kill('SIGTERM');
    expect(await agent.end()).toEqual([0, null]);
    expect(sweptPorts(out).size).toBe(flows);
  });

  test('flows that cannot be written at the end are in the exit code', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const log = join(folder(), 'agent.log');
    const agent = agentInto('/dev/full', log, {
      INTERFACES: pair.a,
      CACHE_ACTIVE_TIMEOUT: '300ms',
    });
    await expect.poll(isUp(agent), SOON).toBe(true);
    await lab.sweep(left, pair.a, { flows: 10, perSecond: 10_000 });
    await expect.poll(agent.log, SOON).toContain('"msg":"flows cannot be delivered"');
    agent.kill('SIGTERM');
    expect(await agent.end()).toEqual([3, null]);
    expect(agent.log()).toContain('"msg":"flows could not be delivered before the end"');
  });

  test('a log that nobody takes keeps nobody from capturing', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const out = join(folder(), 'flows.json');
    const agent = agentInto(out, '/dev/full', {
      INTERFACES: pair.a,
      CACHE_ACTIVE_TIMEOUT: '300ms',
      LOG_LEVEL: 'debug',
    });
    // It cannot report that it is up.
    await expect
      .poll(async () => {
        await lab.sweep(left, pair.a, { flows: 10, perSecond: 10_000 });
        return sweptPorts(out).size;
      }, SOON)
      .toBe(10);
    agent.kill('SIGTERM');
    expect(await agent.end()).toEqual([0, null]);
  });
});
