/** Third-party programs that decide where packets go: every packet still counts once. */
import { describe, expect, test } from 'vitest';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import {
  attachOther,
  bridged,
  indexOf,
  loadOther,
  packetsTo,
  SENT,
  send,
} from '../../support/lab/strangers.ts';
import { loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 15_000, interval: 50 } as const;

describe.skipIf(requireRoot())('programs of TCX that decide', () => {
  test.each(['before', 'after'])('that come %s ours', async (when) => {
    await using lab = new Lab();
    const path = bridged(lab);
    const native = loadNative();
    const other = loadOther(native);
    const attach = (): Promise<void> => attachOther(native, other, 'last_word', path.hooks, 'tail');
    try {
      if (when === 'before') await attach();
      await using host = await startAgent({ INTERFACES: ONLY_TESTS });
      if (when === 'after') await attach();
      await send(lab, path, 7000);
      expect(await packetsTo(host, 7000)).toBe(SENT);
    } finally {
      native.close(other);
    }
  });

  test.each([
    ['sender_on', 'before'],
    ['sender_on', 'after'],
    ['copier', 'before'],
    ['copier', 'after'],
  ] as const)('from one egress to another: %s, there %s ours', async (program, when) => {
    await using lab = new Lab();
    const [host, far] = [lab.namespace('host'), lab.namespace('far')];
    const first = new LabPair(lab, host, far);
    const second = new LabPair(lab, host, far);
    first.giveAddresses('10.94.0');
    const native = loadNative();
    const other = loadOther(native);
    const attach = (): Promise<void> =>
      attachOther(native, other, program, [[host, first.a]], 'tail', ['egress']);
    try {
      const target = Uint32Array.of(indexOf(host, second.a));
      native.updateMap(other, 'target', new Uint8Array(4), new Uint8Array(target.buffer));
      if (when === 'before') await attach();
      await using agent = await startAgent({ INTERFACES: `${first.a},${second.a}` });
      if (when === 'after') await attach();
      const traffic = { address: first.v4[1], port: 7000, count: SENT, sizeBytes: 100 };
      await lab.cast(host, traffic);
      expect(lab.counters(host, second.a).txPackets).toBeGreaterThanOrEqual(SENT);
      expect(await packetsTo(agent, 7000)).toBe(SENT);
    } finally {
      native.close(other);
    }
  });

  test('packets of one flow by two ways in turn', async () => {
    await using lab = new Lab();
    const [host, far] = [lab.namespace('host'), lab.namespace('far')];
    const ways = [new LabPair(lab, host, far), new LabPair(lab, host, far)] as const;
    ways.forEach((way, at) => {
      way.giveAddresses(`10.94.${at}`);
      const table = ['table', `${at + 1}`];
      const via = ['via', way.v4[1], 'dev', way.a];
      ip('-n', host, 'route', 'add', '10.95.0.1', ...via, ...table);
      ip('-n', host, 'rule', 'add', 'fwmark', `${at + 1}`, ...table);
    });
    ip('-n', host, 'route', 'add', '10.95.0.1', 'via', ways[0].v4[1]);
    lab.address(far, ways[0].b, '10.95.0.1/32');
    const nft = (text: string): string => lab.inside(host, 'nft', text);
    nft('add table ip t');
    nft('add chain ip t o { type route hook output priority 0; }');
    nft('add rule ip t o meta mark set numgen inc mod 2 map { 0: 1, 1: 2 }');
    const hooks = ways.map((way) => [host, way.a] as const);
    const native = loadNative();
    const other = loadOther(native);
    try {
      await attachOther(native, other, 'last_word', hooks, 'tail');
      await using agent = await startAgent({ INTERFACES: ways.map(({ a }) => a).join() });
      await lab.cast(host, { address: '10.95.0.1', port: 7000, count: SENT, sizeBytes: 100 });
      for (const { a } of ways) expect(lab.counters(host, a).txPackets).toBe(SENT / 2);
      expect(await packetsTo(agent, 7000)).toBe(SENT);
    } finally {
      native.close(other);
    }
  });

  test('that push themselves to the head are followed by ours', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a] = lab.pair({ namespace: inside }, { namespace: inside });
    const native = loadNative();
    const other = loadOther(native);
    try {
      await using host = await startAgent({ INTERFACES: a, DIRECTION: 'egress' });
      await attachOther(native, other, 'last_word', [[inside, a]], 'head');
      const troubles = (): Promise<string> =>
        host.metrics.registry.getSingleMetricAsString('hook_troubles_total');
      await expect.poll(troubles, SOON).toMatch(/reason="behind"\} 1$/m);
      await expect.poll(() => host.agent.readiness().hooks.ok, SOON).toBe(true);
      await lab.sweep(inside, a, { flows: SENT, perSecond: 50_000 });
      expect((await host.seen()).packets).toBe(SENT);
    } finally {
      native.close(other);
    }
  });
});
