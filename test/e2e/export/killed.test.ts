import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { GrpcCollector } from '../../support/net/grpc-collector.ts';
import { type AgentProgram, startAgentProgram } from '../../support/processes/agent-program.ts';
import type { Program } from '../../support/processes/program.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 50 } as const;
const FRAME_BYTES = 64;
const FLOWS = 30_000;
/** `traffic sweep` uses this port for its first flow and the next ones for later flows. */
const FIRST_PORT = 1024;

describe.skipIf(requireRoot())('netobserv agent', () => {
  const programs: Program[] = [];
  afterEach(async () => {
    for (const program of programs.splice(0)) await program.stop('SIGKILL');
  });

  test('SIGKILL amid traffic, attached by TC: the next one counts each packet once and touches nothing of others', async () => {
    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    const tc = (...args: string[]): string => lab.inside(left, 'tc', ...args);
    tc('qdisc', 'add', 'dev', pair.a, 'clsact');
    const sides = ['ingress', 'egress'];
    // After ours, since it ends the chain.
    const theirs = ['prio', '50', 'protocol', 'all', 'u32', 'match', 'u32', '0', '0'];
    for (const side of sides) {
      tc('filter', 'add', 'dev', pair.a, side, ...theirs, 'classid', '1:1');
    }
    const filters = (): string =>
      sides.map((side) => tc('filter', 'show', 'dev', pair.a, side)).join('');
    const before = filters();
    const ours = (): number => filters().match(/handle 0x6e6f62 netobserv:/g)?.length ?? 0;
    const collector = new GrpcCollector();
    await collector.start();
    onTestFinished(() => collector.kill());
    const start = async (): Promise<AgentProgram> => {
      const agent = await startAgentProgram({
        TARGET_HOST: '127.0.0.1',
        TARGET_PORT: `${collector.port}`,
        INTERFACES: pair.a,
        TC_ATTACH_MODE: 'tc',
        CACHE_MAX_FLOWS: '50000',
      });
      programs.push(agent.program);
      return agent;
    };

    const first = await start();
    const sending = lab.sweep(left, pair.a, { flows: FLOWS, perSecond: 5000 });
    await expect.poll(() => collector.sums().packets, SOON).toBeGreaterThan(2000);
    await first.program.stop('SIGKILL');
    // The kernel keeps attachments of this kind after the process has died.
    expect(ours()).toBe(2);
    const receivedOfFirst = collector.calls.length;
    const atDeath = pair.counted().packets;
    const second = await start();
    const atStart = pair.counted().packets;
    expect(ours()).toBe(2);
    await sending;

    expect(pair.counted()).toEqual({ packets: FLOWS, bytes: FLOWS * FRAME_BYTES });
    // All packets since it was up, and none from before the death of the first one.
    const settled = async (): Promise<boolean> => (await second.seen()) >= FLOWS - atStart;
    await expect.poll(settled, SOON).toBe(true);
    await expect.poll(() => second.total('exporter_spool_messages'), SOON).toBe(0);
    expect(await second.program.stop()).toBe(0);
    const received = collector.calls.slice(receivedOfFirst).flat();
    expect(received.length).toBeGreaterThanOrEqual(FLOWS - atStart);
    expect(received.length).toBeLessThanOrEqual(FLOWS - atDeath);
    const ports = collector.flows.map(({ packets, record }) => {
      expect(packets).toBe(1);
      return (record.transport as { src_port: number }).src_port;
    });
    expect(new Set(ports).size).toBe(ports.length);
    // The last ones in sequence, from some packet after the death on, without a hole.
    const late = ports.slice(-received.length).sort((a, b) => a - b);
    const from = FIRST_PORT + FLOWS - received.length;
    expect(late).toEqual(late.map((_, index) => from + index));
    expect(filters()).toBe(before);
  });
});
