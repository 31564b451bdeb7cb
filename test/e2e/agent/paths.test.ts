import { describe, expect, test } from 'vitest';
import { ip, Lab } from '../../support/lab/netns.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

async function flowsTo(host: AgentHost, port: number): Promise<FlowView[]> {
  await host.agent.drainNow();
  return host.flows.filter((flow) => flow.DstPort === port);
}

function sum(flows: readonly FlowView[], key: 'Packets' | 'Bytes'): number {
  return flows.reduce((total, flow) => total + flow[key], 0);
}

describe.skipIf(requireRoot())('paths through the host', () => {
  test.each([
    ['all have hooks', 'a a1 b1 b bridge'],
    ['the ends of the containers alone', 'a b'],
    ['those and the bridge', 'a b bridge'],
    ['the ends of the host alone', 'a1 b1'],
    ['one container alone', 'b'],
  ])(
    'veth, bridge, veth through three namespaces, %s: every packet once',
    async (_what, hooked) => {
      await using lab = new Lab();
      const [left, middle, right] = [
        lab.namespace('left'),
        lab.namespace('middle'),
        lab.namespace('right'),
      ];
      const [a, a1] = lab.pair(
        { namespace: left, addresses: ['10.95.0.1/24'] },
        { namespace: middle },
      );
      const [b1, b] = lab.pair(
        { namespace: middle },
        { namespace: right, addresses: ['10.95.0.2/24'] },
      );
      const bridge = lab.linkName();
      ip('-n', middle, 'link', 'add', bridge, 'type', 'bridge');
      for (const port of [a1, b1]) ip('-n', middle, 'link', 'set', port, 'master', bridge);
      ip('-n', middle, 'link', 'set', bridge, 'up');
      const places: Readonly<Record<string, string>> = { a, a1, b1, b, bridge };
      const watched = hooked.split(' ').map((place) => places[place]!);
      await using host = await startAgent({ INTERFACES: watched.join(',') });

      const before = lab.counters(left, a);
      await lab.udp(left, right, { address: '10.95.0.2', port: 7000, count: 3000, sizeBytes: 500 });
      await lab.tcp(left, right, {
        address: '10.95.0.2',
        port: 7001,
        sendBytes: 2e6,
        replyBytes: 1000,
      });
      expect(lab.counters(left, a).txPackets - before.txPackets).toBeGreaterThan(3000);

      const udp = await flowsTo(host, 7000);
      expect(sum(udp, 'Packets')).toBe(3000);
      expect(sum(udp, 'Bytes')).toBe(3000 * (14 + 28 + 500));
      expect(new Set(udp.map((flow) => flow.Interfaces[0]))).toEqual(new Set([watched[0]]));
      // Ports of a bridge pass frames on past it.
      expect(new Set(udp.flatMap((flow) => flow.Interfaces))).toEqual(
        new Set(watched.filter((name) => name !== bridge)),
      );
      const tcp = await flowsTo(host, 7001);
      const segments = lab.tcpSegments(left);
      expect(sum(tcp, 'Packets')).toBe(segments);
    },
  );

  test('by TC: the same sums, another’s filter and queueing discipline left as they were', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = lab.pair(
      { namespace: left, addresses: ['10.96.0.1/24'] },
      { namespace: right, addresses: ['10.96.0.2/24'] },
    );
    const tc = (...args: string[]): string => lab.inside(left, 'tc', ...args);
    tc('qdisc', 'add', 'dev', a, 'clsact');
    tc('filter', 'add', 'dev', a, 'egress', 'prio', '7', ...FOREIGN_FILTER);
    const filters = (): string[] =>
      tc('-s', 'filter', 'show', 'dev', a, 'egress')
        .split('\n')
        .filter((line) => line.startsWith('filter'));
    const foreign = filters();
    expect(foreign.length).toBeGreaterThan(0);

    await using host = await startAgent({ INTERFACES: `${a},${b}`, TC_ATTACH_MODE: 'tc' });
    expect(host.agent.status().interfaces.map((row) => row.mode)).toEqual(['tc', 'tc']);
    expect(filters()).toEqual(expect.arrayContaining(foreign));
    expect(filters().length).toBeGreaterThan(foreign.length);
    await lab.udp(left, right, { address: '10.96.0.2', port: 7100, count: 1000, sizeBytes: 300 });
    const flows = await flowsTo(host, 7100);
    expect(sum(flows, 'Packets')).toBe(1000);
    expect(sum(flows, 'Bytes')).toBe(1000 * (14 + 28 + 300));

    await host[Symbol.asyncDispose]();
    expect(filters()).toEqual(foreign);
    expect(tc('qdisc', 'show', 'dev', a)).toContain('clsact');
    // The qdisc that the agent made for itself is removed.
    expect(lab.inside(right, 'tc', 'qdisc', 'show', 'dev', b)).not.toContain('clsact');
  });

  test('fragments belong to the flow of their first one', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = lab.pair(
      { namespace: left, addresses: ['10.97.0.1/24', 'fd97::1/64'] },
      { namespace: right, addresses: ['10.97.0.2/24', 'fd97::2/64'] },
    );
    await using host = await startAgent({ INTERFACES: `${a},${b}` });
    const traffic = { port: 7200, count: 200, sizeBytes: 4000 };
    for (const address of ['10.97.0.2', 'fd97::2']) {
      // Until neighbours are resolved, datagrams are dropped before they are sent.
      await lab.tcp(left, right, { address, port: 7201, sendBytes: 1, replyBytes: 1 });
      await lab.udp(left, right, { ...traffic, address });
    }

    const flows = await flowsTo(host, 7200);
    const v4 = flows.filter((flow) => flow.Etype === 0x0800);
    // 4008 bytes of UDP in pieces of 1480: three, each with its own headers.
    expect(sum(v4, 'Packets')).toBe(200 * 3);
    expect(sum(v4, 'Bytes')).toBe(200 * (4008 + 3 * 34));
    const v6 = flows.filter((flow) => flow.Etype === 0x86dd);
    // Pieces of 1448 after a fragment header of 8.
    expect(sum(v6, 'Packets')).toBe(200 * 3);
    expect(sum(v6, 'Bytes')).toBe(200 * (4008 + 3 * (54 + 8)));
    const created =
      lab.snmp(left, 'Ip', 'FragCreates') * (14 + 20) + lab.snmp(left, 'Ip', 'FragOKs') * 4008;
    expect(sum(v4, 'Bytes')).toBe(created);
  });

  test('tagged frames are read behind their tags', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = lab.pair({ namespace: left }, { namespace: right });
    await using host = await startAgent({ INTERFACES: `${a},${b}` });
    const frames = [
      ...Array.from({ length: 50 }, () => udpFrame([], 7300)),
      ...Array.from({ length: 60 }, () => udpFrame([0x8100], 7301)),
      ...Array.from({ length: 70 }, () => udpFrame([0x88a8, 0x8100], 7302)),
    ];
    expect(await lab.frames(left, a, frames)).toBe(180);

    for (const [port, packets, tags] of [
      [7300, 50, 0],
      [7301, 60, 1],
      [7302, 70, 2],
    ] as const) {
      const flows = await flowsTo(host, port);
      expect(sum(flows, 'Packets')).toBe(packets);
      expect(sum(flows, 'Bytes')).toBe(packets * (udpFrame([], port).length + tags * 4));
      expect(flows[0]?.SrcAddr).toBe('198.51.100.1');
      expect(flows[0]?.SrcMac).toBe('02:00:00:00:00:01');
      expect(flows[0]?.Interfaces).toEqual([a, b]);
    }
  });

  test('a tun device, which has no frames and no operational state', async () => {
    await using lab = new Lab();
    const inside = lab.namespace('inside');
    const name = lab.linkName();
    await using host = await startAgent({ INTERFACES: `/^${name}$/` });
    ip('-n', inside, 'tuntap', 'add', 'dev', name, 'mode', 'tun');
    lab.address(inside, name, '10.98.0.1/24');
    ip('-n', inside, 'link', 'set', name, 'up');
    await expect.poll(() => host.agent.status().interfaces.length).toBe(1);
    await lab.udp(inside, inside, { address: '10.98.0.9', port: 7400, count: 100, sizeBytes: 72 });
    const flows = await flowsTo(host, 7400);
    expect(sum(flows, 'Packets')).toBe(100);
    expect(sum(flows, 'Bytes')).toBe(100 * 100);
    expect(flows[0]?.SrcMac).toBe('');
    expect(flows[0]?.FlowDirection).toBe(1);
  });
});

/** Classic BPF that matches nothing: `ret 0`. */
const FOREIGN_FILTER = ['bpf', 'bytecode', '1,6 0 0 0', 'flowid', '1:1'];

/** Ethernet, tags of the given types, IPv4, UDP and ten bytes. */
function udpFrame(tags: readonly number[], port: number): Uint8Array {
  const macs = [0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01];
  const tagged = tags.flatMap((type, at) => [type >> 8, type & 0xff, 0, 100 + at]);
  const ipv4 = [0x45, 0, 0, 38, 0, 0, 0x40, 0, 64, 17, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2];
  const udp = [0x12, 0x34, port >> 8, port & 0xff, 0, 18, 0, 0];
  return Uint8Array.from([...macs, ...tagged, 0x08, 0x00, ...ipv4, ...udp, ...Array(10).fill(0)]);
}
