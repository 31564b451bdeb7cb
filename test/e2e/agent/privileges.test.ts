/** `netobserv agent` with every feature, with only the capabilities that doctor names for them. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DoctorReport } from '../../../src/commands/doctor/report.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import {
  type Program,
  programCommand,
  runProgram,
  startProgram,
} from '../../support/processes/program.ts';
import { capabilitiesOf, READ_ONLY, rootWith } from '../../support/processes/rights.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const KPTR_RESTRICT = '/proc/sys/kernel/kptr_restrict';
const NEEDED = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'];
const CLOSED_PORT = 5003;

const DAC_OVERRIDE = 1n << 1n;
const NET_ADMIN = 1n << 12n;
const SYS_ADMIN = 1n << 21n;
const BPF = 1n << 39n;

describe.skipIf(requireRoot())('rights of netobserv agent', () => {
  let lab: Lab;
  let inside: string;
  let outside: string;
  let pair: LabPair;
  let cache: string;
  let restriction: string;
  let program: Program | undefined;

  beforeEach(() => {
    lab = new Lab();
    inside = lab.namespace('inside');
    outside = lab.namespace('outside');
    pair = new LabPair(lab, inside, outside);
    pair.giveAddresses('10.121.0');
    cache = mkdtempSync(join(tmpdir(), 'netobserv-cache-'));
    // The setting of most distributions.
    restriction = readFileSync(KPTR_RESTRICT, 'utf8');
    writeFileSync(KPTR_RESTRICT, '1');
  });
  afterEach(async () => {
    await program?.stop();
    program = undefined;
    writeFileSync(KPTR_RESTRICT, restriction);
    await lab[Symbol.asyncDispose]();
    rmSync(cache, { recursive: true });
  });

  async function examine(capabilities: readonly string[]): Promise<DoctorReport['features']> {
    const command = [...rootWith(capabilities), ...programCommand()];
    const { stdout } = await runProgram(['doctor', '-o', 'json', '--features', 'all'], { command });
    return (JSON.parse(stdout) as DoctorReport).features;
  }

  async function start(capabilities: readonly string[]): Promise<Program> {
    const within = ['ip', 'netns', 'exec', inside, 'sh', '-c', READ_ONLY, 'sh'];
    const options = ['--export', 'stdout', '--features', 'all', '--interfaces', pair.a];
    program = startProgram(['agent', ...options, '--cache-active-timeout', '200ms'], {
      command: [...within, ...rootWith(capabilities), ...programCommand()],
      env: { PATH: process.env.PATH, NETOBSERV_CACHE_DIR: cache, USER_ID: '0' },
    });
    await program.waitFor(/"msg":"agent is up"/);
    return program;
  }

  /** Packets for which nobody listens on the other side. */
  const lose = () =>
    lab.cast(outside, { address: pair.v4[0], port: CLOSED_PORT, count: 10, sizeBytes: 100 });

  /** The written flow of these packets. */
  async function dropped({ output }: Program): Promise<unknown> {
    const flow = new RegExp(`^{.*"DstPort":${CLOSED_PORT}.*"PktDropPackets":10.*}$`, 'm');
    await expect.poll(output, SOON).toMatch(flow);
    return JSON.parse(flow.exec(output())![0]);
  }

  test.each([
    [
      'what is possible with three',
      ['CAP_DAC_OVERRIDE', 'CAP_SYSLOG'],
      BPF | NET_ADMIN | DAC_OVERRIDE,
    ],
    [
      'every feature',
      ['CAP_DAC_OVERRIDE', 'CAP_SYSLOG', 'CAP_SYS_ADMIN'],
      BPF | NET_ADMIN | DAC_OVERRIDE | SYS_ADMIN,
    ],
  ])('for %s what doctor names is enough, and not all of it is kept', async (what, more, kept) => {
    const features = await examine(NEEDED);
    const wanted = features.filter(
      ({ state }) => what === 'every feature' || state === 'available',
    );
    const missing = [...new Set(wanted.flatMap((feature) => feature.missing))].sort();
    expect(missing).toEqual(more);
    const held = [...NEEDED, ...missing];

    const started = await start(held);

    // The agent reports as impossible only what doctor does.
    const impossible = (await examine(held)).filter(({ state }) => state === 'unavailable');
    const said = [...started.output().matchAll(/"msg":"(\w+) is not possible here/g)];
    expect(said.map(([, variable]) => variable).sort()).toEqual(
      impossible.map(({ variable }) => variable).sort(),
    );
    for (const set of ['CapPrm', 'CapEff'] as const) {
      expect(capabilitiesOf(started.child.pid!, set)).toBe(kept);
    }
    await lose();
    expect(await dropped(started)).toMatchObject({ PktDropLocation: expect.stringMatching(/udp/) });
  });

  test('without CAP_SYSLOG drops have no place, which is said', async () => {
    const started = await start(NEEDED);
    await lose();
    expect(await dropped(started)).not.toHaveProperty('PktDropLocation');
    expect(started.output()).toMatch(/flows have no PktDropLocation.*CAP_SYSLOG/);
  });
});
