/** `netobserv doctor` on this host; what it says is compared with what then works. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DoctorReport } from '../../../src/commands/doctor/report.ts';
import { loadNative, startAgent } from '../../support/agent-host.ts';
import { Lab } from '../../support/netns.ts';
import { programCommand, runProgram } from '../../support/program.ts';
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
    // As much memory as the agent then takes.
    expect(host.agent.status().vitals?.bpfBytes).toBe(found.bpfBytes);
  });

  test('it leaves nothing behind', async () => {
    const native = loadNative();
    const filtersBefore = native.hasTc(LOOPBACK);
    await report();
    await report(['--tc-attach-mode', 'tc']);
    const programs = [...native.listTcx(LOOPBACK, 0), ...native.listTcx(LOOPBACK, 1)];
    expect(programs.filter(({ name }) => name === 'hook_check')).toEqual([]);
    expect(native.hasTc(LOOPBACK)).toBe(filtersBefore);
  });

  test('with three capabilities it is as for root; without any it says what root adds', async () => {
    const three = '-all,+bpf,+perfmon,+net_admin';
    const just = ['setpriv', `--inh-caps=${three}`, `--bounding-set=${three}`];
    expect((await report([], just)).report.base).toEqual((await report()).report.base);

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
