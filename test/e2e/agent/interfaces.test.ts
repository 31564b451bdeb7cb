import { describe, expect, test } from 'vitest';
import { openDescriptors } from '../../support/kernel/descriptors.ts';
import { linkMessage } from '../../support/kernel/netlink-messages.ts';
import { ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { hookedInterfaces, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 10_000, interval: 20 } as const;
const OPTIONS: Readonly<Record<'watch' | 'poll', Readonly<Record<string, string>>>> = {
  watch: {},
  poll: { LISTEN_INTERFACES: 'poll', LISTEN_POLL_PERIOD: '100ms' },
};

describe.skipIf(requireRoot())('interfaces that come, change and go', () => {
  test('are watched from up to removal, by their present names', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    await using host = await startAgent({ INTERFACES: ONLY_TESTS });
    const [name, peer] = [lab.linkName(), lab.linkName()];

    ip('-n', inside, 'link', 'add', name, 'type', 'veth', 'peer', 'name', peer);
    ip('-n', inside, 'link', 'set', name, 'up');
    ip('-n', inside, 'link', 'set', peer, 'up');
    await expect
      .poll(() => hookedInterfaces(host))
      .toEqual([`${inside}/${name}`, `${inside}/${peer}`]);

    const renamed = lab.linkName();
    ip('-n', inside, 'link', 'set', name, 'name', renamed);
    await expect
      .poll(() => hookedInterfaces(host))
      .toEqual([`${inside}/${peer}`, `${inside}/${renamed}`]);

    await lab.sweep(inside, renamed, { flows: 3, perSecond: 1000 });
    await expect
      .poll(async () => {
        await host.agent.drainNow();
        return host.flows.filter((flow) => flow.DstAddr === '203.0.113.1').length;
      })
      .toBe(3);
    const flow = host.flows.find((one) => one.DstAddr === '203.0.113.1');
    expect(flow?.Interfaces).toEqual([renamed, peer]);
    expect(flow?.IfDirections).toEqual([1, 0]);

    ip('-n', inside, 'link', 'set', renamed, 'name', 'other0');
    await expect.poll(() => hookedInterfaces(host)).toEqual([`${inside}/${peer}`]);
    ip('-n', inside, 'link', 'del', 'other0');
    await expect.poll(() => hookedInterfaces(host)).toEqual([]);
  });

  test('are what the kernel says, whatever others in the namespace say', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const [a, b] = lab.pair({ namespace: inside }, { namespace: inside });
    await using host = await startAgent({ INTERFACES: `/^${a}$/,/^forged$/` });
    expect(hookedInterfaces(host)).toEqual([`${inside}/${a}`]);
    const index = Number(lab.inside(inside, 'cat', `/sys/class/net/${a}/ifindex`));
    const link = { index, name: 'forged', type: 1, up: true };

    await lab.forge(inside, linkMessage(link), 2);
    await lab.forge(inside, linkMessage({ ...link, gone: true }), 3);

    // Messages to the socket alone did not arrive; those to all listeners were dropped.
    const refused = async (): Promise<string> =>
      host.metrics.registry.getSingleMetricAsString('netlink_refused_messages_total');
    await expect.poll(refused, SOON).toMatch(/_total 5$/m);
    // Messages of the kernel still arrive: they come after the forged ones.
    const renamed = lab.linkName();
    ip('-n', inside, 'link', 'set', b, 'name', renamed);
    expect(hookedInterfaces(host)).toEqual([`${inside}/${a}`]);
    ip('-n', inside, 'link', 'del', a);
    await expect.poll(() => hookedInterfaces(host), SOON).toEqual([]);
  });

  test('in namespaces that come and go, of which one has two names', async () => {
    await using lab = new Lab();
    const first = lab.namespace('first');
    await using host = await startAgent({ INTERFACES: ONLY_TESTS });
    const second = lab.namespace('second');
    const [a, b] = lab.pair({ namespace: first }, { namespace: second });
    await expect.poll(() => hookedInterfaces(host)).toEqual([`${first}/${a}`, `${second}/${b}`]);

    const alias = `${second}-alias`;
    await using residents = new Lab();
    ip('netns', 'attach', alias, `${await residents.resident(second)}`);
    // A third namespace, seen later than the second name, shows that the name has been checked.
    const third = lab.namespace('third');
    const [c, d] = lab.pair({ namespace: third }, { namespace: third });
    const withThird = [`${first}/${a}`, `${second}/${b}`, `${third}/${c}`, `${third}/${d}`];
    await expect.poll(() => hookedInterfaces(host)).toEqual(withThird);
    lab.removeNamespace(third);
    ip('netns', 'del', alias);
    await expect.poll(() => hookedInterfaces(host)).toEqual([`${first}/${a}`, `${second}/${b}`]);
    await residents[Symbol.asyncDispose]();

    // Nobody may keep the namespace alive: its end of the pair goes, and the other end with it.
    lab.removeNamespace(second);
    await expect.poll(() => hookedInterfaces(host)).toEqual([]);
    await expect.poll(() => ip('-n', first, '-br', 'link').includes(a)).toBe(false);
  });

  test('of equal numbers in two namespaces are told apart', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = [lab.linkName(), lab.linkName()];
    const place = (name: string, namespace: string, number: string): string[] => [
      ...['name', name, 'netns', namespace, 'index', number],
    ];
    ip('link', 'add', ...place(a, left, '77'), 'type', 'veth', 'peer', ...place(b, right, '77'));
    lab.address(left, a, '10.92.0.1/24');
    lab.address(right, b, '10.92.0.2/24');
    ip('-n', left, 'link', 'set', a, 'up');
    ip('-n', right, 'link', 'set', b, 'up');
    await using host = await startAgent({ INTERFACES: `${a},${b}` });

    await lab.udp(left, right, { address: '10.92.0.2', port: 6000, count: 500, sizeBytes: 100 });
    await host.agent.drainNow();

    const flows = host.flows.filter((flow) => flow.DstPort === 6000);
    expect(flows.reduce((sum, flow) => sum + flow.Packets, 0)).toBe(500);
    expect(new Set(flows.map((flow) => flow.Interfaces.join()))).toEqual(new Set([`${a},${b}`]));
    expect(flows[0]?.IfDirections).toEqual([1, 0]);
  });

  test('leave no descriptor behind', async () => {
    await using lab = new Lab();
    const kept = lab.namespace('kept');
    await using host = await startAgent({ INTERFACES: ONLY_TESTS });
    await expect.poll(() => hookedInterfaces(host)).toEqual([]);
    const before = openDescriptors();
    for (let round = 0; round < 3; round++) {
      const other = lab.namespace('passing');
      lab.pair({ namespace: kept }, { namespace: other });
      await expect.poll(() => hookedInterfaces(host).length).toBe(2);
      lab.removeNamespace(other);
      await expect.poll(() => hookedInterfaces(host).length).toBe(0);
    }
    await expect.poll(openDescriptors).toEqual(before);
  });

  test('at a terminal an interface that is nowhere is refused by name', async () => {
    const interactive = { isInteractive: true };
    await expect(startAgent({ INTERFACES: 'nowhere0' }, interactive)).rejects.toThrow(
      /there is no interface nowhere0; there are .*\blo\b/,
    );
  });

  test.each(['watch', 'poll'] as const)('INTERFACE_IPS follows addresses: %s', async (listen) => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    await using host = await startAgent({
      INTERFACE_IPS: '10.93.0.0/24,fd93::/16',
      ...OPTIONS[listen],
    });
    const [a, b] = lab.pair(
      { namespace: left, addresses: ['10.93.0.1/24'] },
      { namespace: right, addresses: ['10.94.0.2/24'] },
    );
    await expect.poll(() => hookedInterfaces(host), SOON).toEqual([`${left}/${a}`]);
    lab.address(right, b, 'fd93::2/64');
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual([`${left}/${a}`, `${right}/${b}`]);
    ip('-n', left, 'address', 'del', '10.93.0.1/24', 'dev', a);
    await expect.poll(() => hookedInterfaces(host), SOON).toEqual([`${right}/${b}`]);
    // The address of an interface that has had hooks before is removed and added again.
    lab.address(left, a, '10.93.0.9/32');
    await expect
      .poll(() => hookedInterfaces(host), SOON)
      .toEqual([`${left}/${a}`, `${right}/${b}`]);
    await lab.sweep(left, a, { flows: 3, perSecond: 1000 });
    await host.agent.drainNow();
    const flows = host.flows.filter((flow) => flow.DstAddr === '203.0.113.1');
    expect(flows.map((flow) => flow.Interfaces)).toEqual(Array(3).fill([a, b]));
  });

  test.each(['watch', 'poll'] as const)(
    'in several namespaces, of all kinds: %s',
    async (listen) => {
      await using lab = new Lab();
      const inside = lab.namespace('inside');
      await using host = await startAgent({ INTERFACES: ONLY_TESTS, ...OPTIONS[listen] });
      const late = lab.namespace('late');
      const [a, b] = lab.pair({ namespace: inside }, { namespace: late });
      const both = [`${inside}/${a}`, `${late}/${b}`];
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual(both);

      // A tap and a tun that nobody has opened: no carrier, state unknown or down.
      const [tap, tun] = [lab.linkName(), lab.linkName()];
      for (const [name, mode] of [
        [tap, 'tap'],
        [tun, 'tun'],
      ] as const) {
        ip('-n', late, 'tuntap', 'add', 'dev', name, 'mode', mode);
        ip('-n', late, 'link', 'set', name, 'up');
      }
      const all = [...both, `${late}/${tap}`, `${late}/${tun}`];
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual(all);

      // While down, it keeps its hooks; they see its first packet after that.
      ip('-n', late, 'link', 'set', b, 'down');
      ip('-n', late, 'link', 'set', tap, 'name', `${tap}x`);
      const renamed = [...both, `${late}/${tap}x`, `${late}/${tun}`];
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual(renamed);
      ip('-n', late, 'link', 'set', b, 'up');
      await lab.sweep(inside, a, { flows: 5, perSecond: 1000 });
      await host.agent.drainNow();
      const flows = host.flows.filter((flow) => flow.DstAddr === '203.0.113.1');
      expect(flows.map((flow) => flow.Interfaces)).toEqual(Array(5).fill([a, b]));

      // A moved interface keeps its number and name, but not its hooks.
      ip('-n', late, 'link', 'set', `${tap}x`, 'netns', inside);
      const moved = [...both, `${late}/${tun}`];
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual(moved);
      ip('-n', inside, 'link', 'set', `${tap}x`, 'up');
      await expect
        .poll(() => hookedInterfaces(host), SOON)
        .toEqual([...moved, `${inside}/${tap}x`].sort());

      ip('-n', inside, 'link', 'del', a);
      const left = [`${inside}/${tap}x`, `${late}/${tun}`];
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual(left);
      lab.removeNamespace(late);
      await expect.poll(() => hookedInterfaces(host), SOON).toEqual([`${inside}/${tap}x`]);
      const errors = await host.metrics.registry.getSingleMetricAsString('errors_total');
      expect(errors).not.toMatch(/"InterfaceEvents".* [1-9]/);
    },
  );
});
