/** The capabilities of `up` at its start, and those that it keeps; on a read-only root. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RecordsResponse, StatusResponse } from '../../../src/console/api.ts';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import {
  consoleAddress,
  type Program,
  programCommand,
  startProgram,
} from '../../support/processes/program.ts';
import {
  type CapabilitySet,
  capabilitiesOf,
  READ_ONLY,
  rootWith,
  userWith,
} from '../../support/processes/rights.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;

const NET_ADMIN = 1n << 12n;
const SYS_PTRACE = 1n << 19n;
const SYS_ADMIN = 1n << 21n;
const BPF = 1n << 39n;

const NOBODY = 65_534;

const JUST_THREE = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'];

describe.skipIf(requireRoot())('rights', () => {
  let lab: Lab;
  let inside: string;
  let outside: string;
  let cache: string;
  let program: Program | undefined;
  let url: string;

  beforeEach(() => {
    lab = new Lab();
    inside = lab.namespace('inside');
    outside = lab.namespace('outside');
    cache = mkdtempSync(join(tmpdir(), 'netobserv-cache-'));
  });
  afterEach(async () => {
    await program?.stop();
    program = undefined;
    await lab[Symbol.asyncDispose]();
    rmSync(cache, { recursive: true });
  });

  async function start(rights: readonly string[], userId = 0): Promise<void> {
    const within = ['ip', 'netns', 'exec', inside, 'sh', '-c', READ_ONLY, 'sh', ...rights];
    const options = ['--listen', '127.0.0.1:0', '--data', 'memory', '--interfaces', ONLY_TESTS];
    const often = ['--cache-active-timeout', '200ms', '--enable-rtt', '--log-level', 'info'];
    program = startProgram(['up', ...options, ...often], {
      command: [...within, ...programCommand()],
      env: { PATH: process.env.PATH, NETOBSERV_CACHE_DIR: cache, USER_ID: `${userId}` },
    });
    url = await consoleAddress(program);
  }

  function get<Answer>(path: string): Answer {
    return JSON.parse(lab.inside(inside, 'curl', '-sS', `${url}${path}`)) as Answer;
  }

  const isWatched = (name: string): boolean =>
    get<StatusResponse>('/api/status').agent.interfaces.some((one) => one.name === name);

  const flowsTo = (address: string): number =>
    get<RecordsResponse>(`/api/flow/records?timeRange=300&filters=DstAddr=${address}`).result
      .length;

  /** A wire made before the program starts, or while it runs; its traffic must be seen. */
  async function expectSeen(prefix: string): Promise<void> {
    const pair = new LabPair(lab, inside, outside);
    pair.giveAddresses(prefix);
    await expect.poll(() => isWatched(pair.a), SOON).toBe(true);
    const [, far] = pair.v4;
    await lab.udp(inside, outside, { address: far, port: 5001, count: 10, sizeBytes: 100 });
    await expect.poll(() => flowsTo(far), SOON).toBeGreaterThan(0);
  }

  function capabilities(set: CapabilitySet): bigint {
    const pid = program!.child.pid!;
    // Node's own threads are included.
    expect(readdirSync(`/proc/${pid}/task`).length).toBeGreaterThan(5);
    return capabilitiesOf(pid, set);
  }

  test.each([
    ['root', 0, rootWith(JUST_THREE)],
    ['nobody', NOBODY, userWith(NOBODY, JUST_THREE)],
  ])('%s with three capabilities captures, and gives one of them up', async (_who, id, rights) => {
    new LabPair(lab, inside, outside);
    await start(rights, id);

    expect(get<StatusResponse>('/api/status').agent.features).toEqual([
      { name: 'rtt', state: 'on' },
    ]);
    expect(capabilities('CapPrm')).toBe(BPF | NET_ADMIN);
    expect(capabilities('CapEff')).toBe(BPF | NET_ADMIN);
    // Attaching to a later interface does not need the dropped capabilities.
    await expectSeen('10.120.1');
    expect(await program!.stop()).toBe(0);
  });

  test('root with everything keeps what entering namespaces takes, and nothing else', async () => {
    await start([]);

    for (const set of ['CapPrm', 'CapEff', 'CapBnd'] as const) {
      expect(capabilities(set)).toBe(BPF | NET_ADMIN | SYS_ADMIN | SYS_PTRACE);
    }
    expect(capabilities('CapInh')).toBe(0n);
    expect(capabilities('CapAmb')).toBe(0n);
    await expectSeen('10.120.2');
    expect(await program!.stop()).toBe(0);
  });
});
