/** `netobserv doctor` on this host, whose report is compared with what then works. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { featureNames } from '../../../src/agent/features/choose.ts';
import { FEATURES } from '../../../src/agent/features/table.ts';
import { examineDatapath } from '../../../src/agent/loader/examine.ts';
import type { Native } from '../../../src/agent/loader/native.ts';
import type { DoctorReport } from '../../../src/commands/doctor/report.ts';
import { Lab } from '../../support/lab/netns.ts';
import { agentConfig, loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { programCommand, runProgram } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const LOOPBACK = 1;

async function report(
  args: readonly string[] = [],
  within: readonly string[] = [],
): Promise<{ code: number | null; report: DoctorReport }> {
  const command = [...within, ...programCommand()];
  const { code, stdout, stderr } = await runProgram(['doctor', '-o', 'json', ...args], { command });
  expect(stderr).toBe('');
  return { code, report: JSON.parse(stdout) as DoctorReport };
}

/** For about ten interfaces. */
const NOTES_BYTES_MAX = 2048;

describe.skipIf(requireRoot())('doctor', () => {
  let lab: Lab;
  beforeEach(() => {
    lab = new Lab();
  });
  afterEach(async () => {
    await lab[Symbol.asyncDispose]();
  });

  test('what it calls available is on when it is asked for, and nothing else', async () => {
    const { code, report: found } = await report(['--features', 'all']);
    expect(code).toBe(0);
    expect(found.base.runs).toBe(true);
    expect(found.features.filter(({ isOn }) => isOn).map(({ name }) => name)).toEqual(
      featureNames(),
    );
    const namespace = lab.namespace('one');
    const [link] = lab.pair({ namespace }, { namespace });
    const env = found.features
      .filter(({ isOn }) => isOn)
      .map(({ variable }) => [variable, /MODE$/.test(variable) ? '1' : 'true']);
    await using host = await startAgent({ INTERFACES: link, ...Object.fromEntries(env) });
    const { features } = host.agent.status();
    const states = Object.fromEntries(features.map(({ name, state }) => [name, state === 'on']));
    const said = found.features
      .filter(({ isOn }) => isOn)
      .map(({ name, state }) => [name, state === 'available']);
    expect(states).toEqual(Object.fromEntries(said));
    // As much memory as the agent then takes, except its notes on each interface.
    const notes = host.agent.status().vitals!.bpfBytes - found.bpfBytes!;
    expect(notes).toBeGreaterThanOrEqual(0);
    expect(notes).toBeLessThan(NOTES_BYTES_MAX);
  });

  test('every feature is told of: why it is not possible, and what it would take', async () => {
    const { features } = (await report()).report;
    expect(features.map(({ name }) => name)).toEqual(FEATURES.map(({ name }) => name));
    for (const { state, ways, enabledBy } of features) {
      expect(enabledBy).not.toBe('');
      const whys = ways.map(({ why }) => why);
      // One way that works is enough.
      if (state === 'available') expect(whys).toContain(undefined);
      else expect(whys).toEqual(whys.map(() => expect.stringMatching(/\w/)));
      expect(ways).not.toEqual([]);
    }
  });

  test.each(['tcx', 'tc'])('by %s: what it attaches is gone before it goes on', async (mode) => {
    const native = loadNative();
    const hooks = (): readonly string[] => {
      const tcx = [...native.listTcx(LOOPBACK, 0), ...native.listTcx(LOOPBACK, 1)];
      return [...tcx.map(({ name }) => name), ...(native.hasTc(LOOPBACK) ? ['tc'] : [])];
    };
    const before = hooks();
    let attached: readonly string[] | undefined;
    // In this process, so that leaks stay visible.
    const watched: Native = {
      ...native,
      async attach(...args) {
        const id = await native.attach(...args);
        attached = hooks();
        return id;
      },
    };
    const object = readFileSync(join(ROOT, 'build/bpf/flows.bpf.o'));
    await examineDatapath(watched, object, agentConfig({ TC_ATTACH_MODE: mode }));
    expect(attached).toHaveLength(before.length + 1);
    expect(hooks()).toEqual(before);
  });

  test('a capture by TC that runs meanwhile keeps its hooks', async () => {
    const env = { INTERFACES: 'lo', EXCLUDE_INTERFACES: 'none', TC_ATTACH_MODE: 'tc' };
    await using _host = await startAgent(env);
    const filters = (): string =>
      ['ingress', 'egress']
        .map((side) => execFileSync('tc', ['filter', 'show', 'dev', 'lo', side]).toString())
        .join('');
    const before = filters();
    expect(before).toContain('flow_ingress_l2');
    expect(before).toContain('flow_egress_l2');

    const { report: found } = await report(['--tc-attach-mode', 'tc']);

    expect(found.base.mode).toBe('tc');
    expect(filters()).toBe(before);
  });

  test('with three capabilities it is as for root; without any it says what root adds', async () => {
    const three = '-all,+bpf,+perfmon,+net_admin';
    const just = ['setpriv', `--inh-caps=${three}`, `--bounding-set=${three}`];
    const [mine, roots] = [(await report([], just)).report, (await report()).report];
    expect(mine.base).toEqual(roots.base);
    const lacking = mine.features.filter(({ missing }) => missing.length > 0);
    const names = lacking.map(({ name }) => name);
    expect(names).toEqual(['drops', 'openssl', 'network-events', 'udn']);
    const possible = ({ features }: DoctorReport) =>
      features.filter(({ name }) => !names.includes(name)).map(({ name, state }) => [name, state]);
    expect(possible(mine)).toEqual(possible(roots));

    const { code, report: found } = await report([], ['setpriv', '--bounding-set=-all']);
    expect(code).toBe(1);
    expect(found.base.runs).toBe(false);
    expect(found.missing).toEqual(['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON']);
    expect(found.features.every(({ state }) => state === 'untried')).toBe(true);
  });

  test('in a container it knows that it does not see the host’s processes', async () => {
    const within = ['unshare', '--pid', '--fork', '--mount-proc'];
    const { host } = (await report([], within)).report;
    expect(host.find(({ name }) => name === 'processes')?.text).toMatch(/hostPID/);
  });

  test('for people: one screen of at most 100 columns, without colours', async () => {
    const { code, stdout } = await runProgram(['doctor']);
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(50);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).toMatch(/✓ capture/);
  });
});
