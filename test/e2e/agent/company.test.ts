/** Others at the hooks, before and after ours: every packet counts once, and none is influenced. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { buildTool, ip, Lab } from '../../support/lab/netns.ts';
import {
  attachOther,
  bridged,
  letPass,
  loadOther,
  packetsTo,
  SENT,
  SIDES,
  send,
} from '../../support/lab/strangers.ts';
import { type AgentHost, loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 15_000, interval: 50 } as const;
/** An interface number that is unlikely to be in use. */
const UNUSUAL_INDEX = 48_127;

async function marks(host: AgentHost): Promise<string> {
  const text = await host.metrics.registry.getSingleMetricAsString('packet_marks');
  return text.trim().split(' ').at(-1) ?? '';
}

describe.skipIf(requireRoot())('others at the hooks', () => {
  test.each(['tcx', 'tc'])(
    'filters that end the chain, before and after they are noticed; ours by %s',
    async (mode) => {
      await using lab = new Lab();
      const path = bridged(lab);
      await using host = await startAgent({ INTERFACES: ONLY_TESTS, TC_ATTACH_MODE: mode });
      await send(lab, path, 7000);
      expect(await packetsTo(host, 7000)).toBe(SENT);
      expect(await marks(host)).toBe('1');
      // Class ids that look like a mark, and others that do not.
      for (const [at, hook] of path.hooks.entries()) {
        letPass(lab, hook, ['1:1', '1:ffe0', '1:8000', '1:7ff'][at]!);
      }
      await send(lab, path, 7001);
      expect(await packetsTo(host, 7001)).toBe(SENT);
      await expect.poll(() => marks(host), SOON).toBe('0');
      await send(lab, path, 7002);
      expect(await packetsTo(host, 7002)).toBe(SENT);
      expect(host.agent.readiness().hooks).toMatchObject({
        ok: true,
        note: expect.stringContaining('not marked'),
      });
      for (const [namespace, name] of path.hooks) {
        for (const side of SIDES) {
          lab.inside(namespace, 'tc', 'filter', 'del', 'dev', name, side, 'prio', '10');
        }
      }
      await expect.poll(() => marks(host), SOON).toBe('1');
      await send(lab, path, 7003);
      expect(await packetsTo(host, 7003)).toBe(SENT);
    },
  );

  test('readers of the field find nothing of ours in it', async () => {
    await using lab = new Lab();
    const path = bridged(lab);
    const native = loadNative();
    const other = loadOther(native);
    try {
      await attachOther(native, other, 'reader', path.hooks, 'tail');
      await using host = await startAgent({ INTERFACES: ONLY_TESTS });
      expect(await marks(host)).toBe('0');
      await send(lab, path, 7000);
      expect(await packetsTo(host, 7000)).toBe(SENT);
      const [last] = path.hooks.slice(-1);
      expect(lab.counters(...last!).rxPackets).toBeGreaterThanOrEqual(SENT);
    } finally {
      native.close(other);
    }
  });

  test('filters of a block that interfaces share, before and after they are noticed', async () => {
    await using lab = new Lab();
    const path = bridged(lab);
    const outer = path.hooks[1]!;
    const tc = (...args: string[]): string => lab.inside(outer[0], 'tc', ...args);
    tc('qdisc', 'add', 'dev', outer[1], 'ingress_block', '5', 'egress_block', '6', 'clsact');
    await using host = await startAgent({ INTERFACES: ONLY_TESTS });
    expect(await marks(host)).toBe('1');
    const all = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'flowid', '1:8000'];
    for (const block of ['5', '6']) tc('filter', 'add', 'block', block, 'prio', '10', ...all);
    await send(lab, path, 7000);
    expect(await packetsTo(host, 7000)).toBe(SENT);
    await expect.poll(() => marks(host), { ...SOON, timeout: 5_000 }).toBe('0');
    await send(lab, path, 7001);
    expect(await packetsTo(host, 7001)).toBe(SENT);
  });

  test('several captures, in whatever order they come and go', async () => {
    await using lab = new Lab();
    const path = bridged(lab);
    await using first = await startAgent({ INTERFACES: ONLY_TESTS });
    {
      await using second = await startAgent({ INTERFACES: ONLY_TESTS });
      await using byTc = await startAgent({ INTERFACES: ONLY_TESTS, TC_ATTACH_MODE: 'tc' });
      await send(lab, path, 7000);
      for (const one of [first, second, byTc]) expect(await packetsTo(one, 7000)).toBe(SENT);
    }
    await send(lab, path, 7001);
    expect(await packetsTo(first, 7001)).toBe(SENT);
  });

  test('two that watch one end of a pair each', async () => {
    await using lab = new Lab();
    const [left, right] = [lab.namespace('left'), lab.namespace('right')];
    const pair = new LabPair(lab, left, right);
    pair.giveAddresses('10.96.0');
    await using one = await startAgent({ INTERFACES: pair.a });
    await using other = await startAgent({ INTERFACES: pair.b });
    const traffic = { port: 7000, count: 5, sizeBytes: 100 };
    await lab.udp(left, right, { ...traffic, address: pair.v4[1] });
    await lab.udp(right, left, { ...traffic, address: pair.v4[0] });
    for (const host of [one, other]) {
      await host.agent.drainNow();
      const ways = host.flows.map((flow) => `${flow.SrcAddr} ${flow.Packets}`);
      expect(ways.sort()).toEqual(pair.v4.map((address) => `${address} 5`));
    }
  });

  test('a container that marks its packets hides none of them', async () => {
    await using lab = new Lab();
    const path = bridged(lab);
    const [inner, outer] = path.hooks as [readonly [string, string], readonly [string, string]];
    // The container itself is not watched, as on a node where the agent cannot enter its namespace.
    await using host = await startAgent({ INTERFACES: outer[1] });
    expect(await marks(host)).toBe('1');
    for (const [at, classid] of ['1:ffe0', '1:ffc0', '1:20', '1:8000'].entries()) {
      letPass(lab, inner, classid);
      await send(lab, path, 7000 + at);
      expect(await packetsTo(host, 7000 + at)).toBe(SENT);
      lab.inside(inner[0], 'tc', 'qdisc', 'del', 'dev', inner[1], 'clsact');
    }
  });

  test.each([false, true])(
    'a translated flow is whole on both sides; others: %s',
    async (others) => {
      await using lab = new Lab();
      const [client, router, server] = ['client', 'router', 'server'].map((one) =>
        lab.namespace(one),
      ) as [string, string, string];
      const near = lab.pair(
        { namespace: client, addresses: ['10.95.1.2/24'] },
        { namespace: router, addresses: ['10.95.1.1/24'] },
      );
      const far = lab.pair(
        { namespace: router, addresses: ['10.95.2.1/24'] },
        { namespace: server, addresses: ['10.95.2.2/24'] },
      );
      lab.inside(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
      lab.inside(server, 'ip', 'route', 'add', 'default', 'via', '10.95.2.1');
      const nft = (text: string): string => lab.inside(router, 'nft', text);
      nft('add table ip t');
      nft('add chain ip t p { type nat hook prerouting priority -100; }');
      nft('add rule ip t p udp dport 80 dnat to 10.95.2.2:8259');
      if (others) {
        for (const hook of [
          [client, near[0]],
          [router, near[1]],
          [router, far[0]],
          [server, far[1]],
        ] as const) {
          letPass(lab, hook, '1:1');
        }
      }
      await using host = await startAgent({ INTERFACES: ONLY_TESTS });
      for (let round = 0; round < SENT; round++) {
        // Each is a separate flow of one packet.
        await lab.cast(client, { address: '10.95.1.1', port: 80, count: 1, sizeBytes: 100 });
      }
      expect(await packetsTo(host, 80)).toBe(SENT);
      expect(await packetsTo(host, 8259)).toBe(SENT);
    },
  );

  test('sampling: what is recorded and what is left out is what was sent', async () => {
    await using lab = new Lab();
    const path = bridged(lab);
    for (const hook of path.hooks) letPass(lab, hook, '1:1');
    await using host = await startAgent({ INTERFACES: ONLY_TESTS, SAMPLING: '4' });
    const before = host.accounting();
    const sent = 4000;
    await send(lab, path, 7000, sent);
    const recorded = await packetsTo(host, 7000);
    const after = host.accounting();
    const leftOut = after.sampledOutPackets - before.sampledOutPackets;
    // ARP is sampled, too.
    expect(recorded + leftOut).toBeGreaterThanOrEqual(sent);
    expect(recorded + leftOut).toBeLessThan(sent + 20);
    expect(Math.abs(recorded - sent / 4)).toBeLessThan(6 * Math.sqrt((sent * 3) / 16));
  });
});

describe.skipIf(requireRoot())('hooks that somebody takes off', () => {
  test.each(['tc', 'tcx'])('come back, by %s, and are missed until then', async (mode) => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a, b] = [lab.linkName(), lab.linkName()];
    const place = ['index', `${UNUSUAL_INDEX}`, 'netns', inside];
    ip('link', 'add', a, ...place, 'type', 'veth', 'peer', 'name', b, 'netns', inside);
    for (const name of [a, b]) ip('-n', inside, 'link', 'set', name, 'up');
    await using host = await startAgent({
      INTERFACES: a,
      DIRECTION: 'egress',
      TC_ATTACH_MODE: mode,
    });
    if (mode === 'tc') lab.inside(inside, 'tc', 'qdisc', 'del', 'dev', a, 'clsact');
    else expect(execFileSync(buildTool('unlink'), [`${UNUSUAL_INDEX}`]).toString()).toBe('1\n');
    const troubles = (): Promise<string> =>
      host.metrics.registry.getSingleMetricAsString('hook_troubles_total');
    await expect.poll(troubles, SOON).toMatch(/reason="gone"\} 1$/m);
    await expect.poll(() => host.agent.readiness().hooks.ok, SOON).toBe(true);
    await lab.sweep(inside, a, { flows: SENT, perSecond: 50_000 });
    expect((await host.seen()).packets).toBe(SENT);
    await host[Symbol.asyncDispose]();
    expect(lab.inside(inside, 'tc', 'qdisc', 'show', 'dev', a)).not.toContain('clsact');
  });
});
