import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDescriptors } from '../../support/kernel/descriptors.ts';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { hookedInterfaces, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 10_000, interval: 20 } as const;

/** A pair whose far end is in the namespace of a process; both ends are up. */
function wire(lab: Lab, near: string, pid: number): [string, string] {
  const [a, b] = [lab.linkName(), lab.linkName()];
  const peer = ['peer', 'name', b, 'netns', `${pid}`];
  ip('-n', near, 'link', 'add', a, 'type', 'veth', ...peer);
  ip('-n', near, 'link', 'set', a, 'up');
  execFileSync('nsenter', ['-n', '-t', `${pid}`, 'ip', 'link', 'set', b, 'up']);
  return [a, b];
}

describe.skipIf(requireRoot())('containers whose network namespace has no name', () => {
  test('are watched from their first process to their last', async () => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    const early = await lab.container();
    const [a, b] = wire(lab, near, early);
    await using host = await startAgent({
      INTERFACES: ONLY_TESTS,
      LISTEN_CONTAINERS_PERIOD: '100ms',
    });
    expect(hookedInterfaces(host)).toEqual([`${near}/${a}`, `traffic[${early}]/${b}`]);
    const before = openDescriptors();

    const late = await lab.container();
    const [c, d] = wire(lab, near, late);
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual(
        [`${near}/${a}`, `${near}/${c}`, `traffic[${early}]/${b}`, `traffic[${late}]/${d}`].sort(),
      );

    await lab.sweep(near, c, { flows: 4, perSecond: 1000 });
    await host.agent.drainNow();
    const flows = host.flows.filter((flow) => flow.DstAddr.startsWith('203.0.113.'));
    expect(flows.map((flow) => flow.Interfaces)).toEqual(Array(4).fill([c, d]));

    // Nobody may keep the namespace alive: its end of the pair goes, and the other end with it.
    await lab.end(late);
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual([`${near}/${a}`, `traffic[${early}]/${b}`]);
    await expect.poll(() => ip('-n', near, '-br', 'link').includes(c), SOON).toBe(false);
    await expect.poll(openDescriptors, SOON).toEqual(before);
  });

  test('are called by their name when it comes, and are watched once', async () => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    const pid = await lab.container();
    const [a, b] = wire(lab, near, pid);
    await using host = await startAgent({
      INTERFACES: ONLY_TESTS,
      LISTEN_CONTAINERS_PERIOD: '100ms',
    });
    const name = `${near}-later`;
    ip('netns', 'attach', name, `${pid}`);
    try {
      await expect
        .poll(() => hookedInterfaces(host), SOON)
        .toEqual([`${name}/${b}`, `${near}/${a}`]);
    } finally {
      ip('netns', 'del', name);
    }
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual([`${near}/${a}`, `traffic[${pid}]/${b}`]);
    const events = await host.metrics.registry.getSingleMetricAsString('interface_events_total');
    expect(events).not.toContain('detach');
  });

  test('are found as soon as the host’s end of their wire is there', async () => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    await using host = await startAgent({
      INTERFACES: ONLY_TESTS,
      LISTEN_CONTAINERS_PERIOD: '1h',
    });
    const pid = await lab.container();
    const [a, b] = wire(lab, near, pid);
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual([`${near}/${a}`, `traffic[${pid}]/${b}`]);
    // Like a container runtime at the container's end.
    await lab.end(pid);
    ip('-n', near, 'link', 'del', a);
    await expect.poll(() => hookedInterfaces(host), SOON).toEqual([]);
  });

  test.each(['tcx', 'tc'])('are let go of as soon as they end (%s)', async (mode) => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    const pid = await lab.container();
    const [a, b] = wire(lab, near, pid);
    await using host = await startAgent({
      INTERFACES: ONLY_TESTS,
      TC_ATTACH_MODE: mode,
      // Only the end of the process makes it look.
      LISTEN_CONTAINERS_PERIOD: '1h',
    });
    expect(hookedInterfaces(host)).toEqual([`${near}/${a}`, `traffic[${pid}]/${b}`]);
    await lab.end(pid);
    // The kernel removes the pair when nobody holds the namespace any more.
    await expect.poll(() => ip('-n', near, '-br', 'link').includes(a), SOON).toBe(false);
    await expect.poll(() => hookedInterfaces(host), SOON).toEqual([]);
  });

  test('are left alone when not asked for', async () => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    const pid = await lab.container();
    const [a] = wire(lab, near, pid);
    await using host = await startAgent({ INTERFACES: ONLY_TESTS, LISTEN_CONTAINERS_PERIOD: '0' });
    expect(hookedInterfaces(host)).toEqual([`${near}/${a}`]);
  });

  test.each([
    ['all', '', ['near', 'container'], []],
    ['no SYS_PTRACE', '-sys_ptrace', ['near'], [/without the capability SYS_PTRACE/]],
    ['no SYS_ADMIN', '-sys_admin', [], [/without the capability SYS_ADMIN/]],
    [
      'only those that hooks need',
      '-all,+bpf,+perfmon,+net_admin',
      [],
      [/without the capability SYS_ADMIN/, /without the capability SYS_PTRACE/],
    ],
  ])('capabilities: %s', async (_why, bounding, wanted, warnings) => {
    await using lab = new Lab();
    const near = lab.namespace('near');
    const other = lab.namespace('other');
    const pid = await lab.container();
    const [a, b] = wire(lab, near, pid);
    lab.pair({ namespace: other }, { namespace: other });
    const child = join(import.meta.dirname, '../../support/processes/agent-child.ts');
    const options = JSON.stringify({ INTERFACES: `/^${a}$/,/^${b}$/` });
    const wrapper = bounding === '' ? [] : [`--bounding-set=${bounding}`, '--inh-caps=-all'];
    const { stdout, stderr, status } = spawnSync(
      'setpriv',
      [...wrapper, process.execPath, child, options],
      { encoding: 'utf8' },
    );

    expect(status, stderr).toBe(0);
    const rows: Readonly<Record<string, readonly [string, string]>> = {
      near: [near, a],
      container: [`traffic[${pid}]`, b],
    };
    expect(JSON.parse(stdout)).toEqual(wanted.map((one) => rows[one]));
    const lines = stderr.split('\n').filter((line) => line !== '');
    expect(lines).toEqual(warnings.map((warning) => expect.stringMatching(warning)));
  });
});
