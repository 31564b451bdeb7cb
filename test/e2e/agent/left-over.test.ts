/** TC filters of captures in other containers: running ones and killed ones. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const HOST = join(import.meta.dirname, '../../support/processes/agent-host.ts');

/** An agent whose processes have their own numbers; resolves when its hooks are attached. */
async function startInContainer(options: Readonly<Record<string, string>>) {
  const source = [
    `const { startAgent } = await import(${JSON.stringify(HOST)});`,
    `await startAgent(${JSON.stringify(options)});`,
    `process.stdout.write('ready'); setInterval(() => {}, 1000);`,
  ].join('\n');
  const node = [process.execPath, '--no-warnings', '--input-type=module', '-e', source];
  const apart = ['--pid', '--fork', '--mount', '--mount-proc', '--kill-child'];
  const child = spawn('unshare', [...apart, ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  onTestFinished(kill);
  await once(child.stdout, 'data');
  return kill;
}

test.skipIf(requireRoot())('are left alone, and removed', async () => {
  await using lab = new Lab();
  const [left, right] = [lab.namespace('left'), lab.namespace('right')];
  const pair = new LabPair(lab, left, right);
  const options = { INTERFACES: pair.a, TC_ATTACH_MODE: 'tc' };
  const filters = (): number =>
    ['ingress', 'egress']
      .map((side) => lab.inside(left, 'tc', 'filter', 'show', 'dev', pair.a, side))
      .join('')
      .match(/ netobserv:/g)?.length ?? 0;

  const kill = await startInContainer(options);
  expect(filters()).toBe(2);
  {
    await using beside = await startAgent(options);
    // It has checked them before it attached its own there.
    expect(beside.agent.status().interfaces).toHaveLength(1);
    expect(filters()).toBe(4);
  }
  expect(filters()).toBe(2);

  await kill();
  expect(filters()).toBe(2);
  {
    await using after = await startAgent(options);
    await expect.poll(filters, SOON).toBe(2);
    const marks = await after.metrics.registry.getSingleMetricAsString('packet_marks');
    expect(marks).toMatch(/packet_marks 1$/m);
  }
  expect(filters()).toBe(0);
  expect(lab.inside(left, 'tc', 'qdisc', 'show', 'dev', pair.a)).not.toContain('clsact');
});
