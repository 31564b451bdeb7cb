import { describe, expect, test } from 'vitest';
import { config as layout } from '../../../src/agent/drain/layout.gen.ts';
import type { Native } from '../../../src/agent/loader/native.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { type AgentHost, loadNative, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

/** The wait before the second attempt. */
const RETRY_STEP_MS = 300;
/** The agent checks its hooks every ten seconds. */
const LATER = { timeout: 25_000, interval: 100 } as const;
const SOON = { timeout: 10_000, interval: 20 } as const;

async function metric(host: AgentHost, name: string): Promise<string> {
  return host.metrics.registry.getSingleMetricAsString(name);
}

function directions(host: AgentHost): string[] {
  return host.agent.status().interfaces.map((row) => `${row.mode} ${row.directions.join()}`);
}

describe.skipIf(requireRoot())('attaching', () => {
  test('is tried again until what is in the way has gone', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a] = lab.pair({ namespace: inside }, { namespace: inside });
    const tc = (...args: string[]): string => lab.inside(inside, 'tc', ...args);
    // It takes the place of clsact, the only one with an egress side.
    tc('qdisc', 'add', 'dev', a, 'ingress');
    const tried = Promise.withResolvers<void>();
    const clock: Clock = {
      ...systemClock,
      sleep(ms, signal) {
        if (ms === RETRY_STEP_MS) tried.resolve();
        return systemClock.sleep(ms, signal);
      },
    };
    const options = { INTERFACES: a, TC_ATTACH_MODE: 'tc', METRICS_LEVEL: 'debug' };
    const starting = startAgent(options, { clock });
    await tried.promise;
    const showsOurs = (): boolean => tc('filter', 'show', 'dev', a, 'ingress').includes('0x6e6f62');
    await expect.poll(showsOurs, SOON).toBe(true);
    tc('qdisc', 'del', 'dev', a, 'ingress');
    await using host = await starting;

    expect(directions(host)[0]).toMatch(/^tc .*egress/);
    expect(tc('filter', 'show', 'dev', a, 'egress')).toContain('0x6e6f62');
    expect(await metric(host, 'errors_total')).toMatch(/"AttachEgress:CantAttachTC".* [1-3]$/m);
    const events = await metric(host, 'interface_events_total');
    expect(events).toMatch(/type="attach_tc".*retries="[1-3]"/);
    expect(events).not.toContain('attach_fail');
  });

  test('is given up at last, and said', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a, b] = lab.pair({ namespace: inside }, { namespace: inside });
    lab.inside(inside, 'tc', 'qdisc', 'add', 'dev', a, 'ingress');
    await using host = await startAgent({
      INTERFACES: `${a},${b}`,
      TC_ATTACH_MODE: 'tc',
      TC_ATTACH_RETRIES: '2',
    });

    // It does not delay the other interface and the other direction.
    expect(directions(host).sort()).toEqual(['tc ingress', 'tc ingress,egress']);
    expect(await metric(host, 'interface_events_total')).toMatch(/type="attach_fail".* 1$/m);
    await host[Symbol.asyncDispose]();
    expect(lab.inside(inside, 'tc', 'qdisc', 'show', 'dev', a)).toContain('ingress');
    expect(lab.inside(inside, 'tc', 'filter', 'show', 'dev', a, 'ingress')).toBe('');
  });

  test('is tried again later, too', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a] = lab.pair({ namespace: inside }, { namespace: inside });
    lab.inside(inside, 'tc', 'qdisc', 'add', 'dev', a, 'ingress');
    await using host = await startAgent({
      INTERFACES: a,
      DIRECTION: 'egress',
      TC_ATTACH_MODE: 'tc',
      TC_ATTACH_RETRIES: '1',
    });
    expect(directions(host)).toEqual([]);
    expect(host.agent.readiness().hooks.ok).toBe(false);
    lab.inside(inside, 'tc', 'qdisc', 'del', 'dev', a, 'ingress');
    await expect.poll(() => directions(host), LATER).toEqual(['tc egress']);
    expect(host.agent.readiness().hooks.ok).toBe(true);
  });

  test('by TC next to a filter of another kind that has our place', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a] = lab.pair({ namespace: inside }, { namespace: inside });
    const tc = (...args: string[]): string => lab.inside(inside, 'tc', ...args);
    tc('qdisc', 'add', 'dev', a, 'clsact');
    const match = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0', 'classid', '1:1'];
    for (const side of ['ingress', 'egress']) {
      tc('filter', 'add', 'dev', a, side, 'prio', '1', ...match);
    }
    const filters = (): string =>
      tc('filter', 'show', 'dev', a, 'ingress') + tc('filter', 'show', 'dev', a, 'egress');
    const theirs = filters();
    await using host = await startAgent({ INTERFACES: a, TC_ATTACH_MODE: 'tc' });
    expect(directions(host)).toEqual(['tc ingress,egress']);
    expect(filters().match(/pref 2 bpf .*handle 0x6e6f62 netobserv:/g)).toHaveLength(2);
    await host[Symbol.asyncDispose]();
    expect(filters()).toBe(theirs);
  });

  test.each([
    ['filters', ['filter', 'del'], ['ingress', 'egress']],
    ['qdisc', ['qdisc', 'del'], ['clsact']],
  ])(
    'leaves nothing behind where somebody else removes our %s',
    async (_what, command, targets) => {
      await using lab = new Lab();
      const inside = lab.namespace('inside');
      const [a] = lab.pair({ namespace: inside }, { namespace: inside });
      await using host = await startAgent({ INTERFACES: a, TC_ATTACH_MODE: 'tc' });
      for (const target of targets) lab.inside(inside, 'tc', ...command, 'dev', a, target);
      await host[Symbol.asyncDispose]();
      expect(lab.inside(inside, 'tc', 'qdisc', 'show', 'dev', a)).not.toContain('clsact');
    },
  );

  test('shows in the gauges, by how it was done', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a, b] = lab.pair({ namespace: inside }, { namespace: inside });
    const sizes = async (host: AgentHost): Promise<Record<string, number>> => {
      const lines = (await metric(host, 'iface_buffer_size')).matchAll(/name="(\S+)"\} (\d+)/g);
      return Object.fromEntries([...lines].map(([, name, size]) => [name, Number(size)]));
    };
    const hooks = { registerer: 2, qdiscs: 0, 'ingress-tcx-links': 0, 'egress-tcx-links': 0 };
    {
      await using host = await startAgent({ INTERFACES: `${a},${b}`, DIRECTION: 'ingress' });
      expect(await sizes(host)).toMatchObject({ ...hooks, 'ingress-tcx-links': 2 });
      expect((await sizes(host)).watcher).toBeGreaterThan(3);
      ip('-n', inside, 'link', 'del', a);
      await expect.poll(() => sizes(host), SOON).toMatchObject({ 'ingress-tcx-links': 0 });
      const seen = (): Promise<string> => metric(host, 'interface_events_total');
      await expect.poll(seen, SOON).toMatch(/type="detach_tcx".* 2$/m);
      const events = await seen();
      expect(events).toMatch(/type="attach_tcx".* 2$/m);
      // Interfaces, watched or not.
      expect(events).toMatch(/type="reg_subscribed".* ([4-9]|\d\d+)$/m);
      expect(events).toMatch(/type="reg_unsubscribed".* [12]$/m);
    }
    const [c, d] = lab.pair({ namespace: inside }, { namespace: inside });
    await using host = await startAgent({ INTERFACES: `${c},${d}`, TC_ATTACH_MODE: 'tc' });
    expect(await sizes(host)).toMatchObject({ ...hooks, qdiscs: 2 });
  });
});

describe.skipIf(requireRoot())('on a kernel that does not tell hooks their namespace', () => {
  /** Like Linux before 6.2, which has no such function for these programs. */
  function withoutCookies(): Native {
    const native = loadNative();
    return {
      ...native,
      load(object, options) {
        if (options.config[layout.hasNetnsCookie] === 1) throw new Error('unknown func');
        return native.load(object, options);
      },
    };
  }

  test('an interface is known by its number and its MAC', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const far = lab.namespace('far');
    const place = (name: string, namespace: string, number: number): string[] => [
      ...['name', name, 'netns', namespace, 'index', `${number}`],
    ];
    // Two wires to `far`, whose near ends have the same number.
    const wires = [left, right].map((namespace, at) => {
      const [near, other] = [lab.linkName(), lab.linkName()];
      const peer = ['peer', ...place(other, far, 80 + at)];
      ip('link', 'add', ...place(near, namespace, 77), 'type', 'veth', ...peer);
      ip('-n', namespace, 'link', 'set', near, 'up');
      ip('-n', far, 'link', 'set', other, 'up');
      lab.address(namespace, near, `10.98.${at}.1/24`);
      lab.address(far, other, `10.98.${at}.2/24`);
      return { namespace, near, other };
    });
    const [first, second] = [wires[0]!, wires[1]!];
    await using host = await startAgent(
      {
        INTERFACES: ONLY_TESTS,
        PREFERRED_INTERFACE_FOR_MAC_PREFIX: `02:00:00:00=${second.near}`,
      },
      { native: withoutCookies() },
    );
    for (const [at, { namespace }] of wires.entries()) {
      const traffic = { address: `10.98.${at}.2`, port: 7500 + at, count: 50, sizeBytes: 100 };
      await lab.udp(namespace, far, traffic);
    }
    // A source that no interface has: the prefix identifies it.
    await lab.sweep(first.namespace, first.near, { flows: 2, perSecond: 1000 });
    await host.agent.drainNow();

    const names = (port: number): readonly string[] | undefined =>
      host.flows.find((flow) => flow.DstPort === port)?.Interfaces;
    expect(names(7500)).toEqual([first.near, first.other]);
    expect(names(7501)).toEqual([second.near, second.other]);
    const swept = host.flows.filter((flow) => flow.DstAddr === '203.0.113.1');
    expect(swept.map((flow) => flow.Interfaces)).toEqual(Array(2).fill([second.near, first.other]));
  });
});
