/** Flows inside tunnels: frames of every shape through the real programs, and real VXLAN. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { tunnelMetrics } from '../../../src/agent/drain/layout.gen.ts';
import { tunnels } from '../../../src/agent/features/tunnels.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { ip, Lab } from '../../support/lab/netns.ts';
import { agentConfig, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, readStats, TEST_HOOKS, takeFlows } from '../datapath/datapath.ts';
import {
  datagram,
  EtherType,
  ethernet,
  Flag,
  geneve,
  ipv4,
  ipv6,
  Proto,
  tcp,
  udp,
  vlanTag,
  vxlan,
} from '../datapath/frames.ts';

const OUTER4 = '00000000000000000000ffff0a000001,00000000000000000000ffff0a000002';
const INNER4 = '00000000000000000000ffffac100001,00000000000000000000ffffac100002';
const V6 = '20010db8000000000000000000000001,20010db8000000000000000000000002';
const ETHERNET = 0x6558;
const VXLAN = 4789;
const GENEVE = 6081;

const inside4 = ipv4(Proto.tcp, tcp(Flag.syn), {
  source: [172, 16, 0, 1],
  target: [172, 16, 0, 2],
});
const frame4 = ethernet(EtherType.ipv4, inside4);
const frame6 = ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(4)));
const tagged = ethernet(EtherType.vlan, vlanTag(7, EtherType.ipv4, inside4));
const arp = ethernet(EtherType.arp, Buffer.alloc(28));

const on4 = (port: number, payload: Buffer, options = {}): Buffer =>
  ethernet(EtherType.ipv4, ipv4(Proto.udp, datagram(port, payload), options));
const on6 = (port: number, payload: Buffer): Buffer =>
  ethernet(EtherType.ipv6, ipv6(Proto.udp, datagram(port, payload)));

const addressOf = (extension: Buffer, at: number): string => extension.toString('hex', at, at + 16);

describe.skipIf(requireRoot()).each(['flows_test', 'flows_copy_test'] as const)('%s', (object) => {
  let datapath: BpfObject;

  beforeEach(() => {
    const config = agentConfig({ TUNNEL_INNER_FLOWS: 'true' });
    datapath = loadDatapath({
      object,
      programs: TEST_HOOKS,
      extensions: [{ at: 'tunnelAt', sizeBytes: tunnelMetrics.sizeBytes }],
      configure: (view) => tunnels.configure?.(view, config),
    });
  });
  afterEach(() => native.close(datapath));

  test.each([
    ['IPv4 in VXLAN', on4(VXLAN, vxlan(42, frame4)), `${INNER4},40000,443,6,0,0`, OUTER4, 42, 1],
    ['on the older port', on4(8472, vxlan(1, frame4)), `${INNER4},40000,443,6,0,0`, OUTER4, 1, 1],
    [
      'IPv6 in VXLAN',
      on4(VXLAN, vxlan(0xffffff, frame6)),
      `${V6},40000,53,17,0,0`,
      OUTER4,
      0xffffff,
      1,
    ],
    ['VXLAN over IPv6', on6(VXLAN, vxlan(42, frame4)), `${INNER4},40000,443,6,0,0`, V6, 42, 1],
    ['Geneve', on4(GENEVE, geneve(7, ETHERNET, frame4)), `${INNER4},40000,443,6,0,0`, OUTER4, 7, 2],
    [
      'Geneve with options',
      on4(GENEVE, geneve(7, ETHERNET, frame4, 63)),
      `${INNER4},40000,443,6,0,0`,
      OUTER4,
      7,
      2,
    ],
    [
      'Geneve without Ethernet',
      on4(GENEVE, geneve(7, EtherType.ipv4, inside4)),
      `${INNER4},40000,443,6,0,0`,
      OUTER4,
      7,
      2,
    ],
  ])('%s', async (_what, frame, key, outer, id, type) => {
    native.testRun(datapath, { program: 'test_ingress_l2', frame });

    const [flow, ...others] = await takeFlows(datapath);
    expect(others).toEqual([]);
    expect(flow).toMatchObject({ key, packets: 1, bytes: frame.length });
    const { extensions: extension } = flow!;
    const { srcIp, dstIp } = tunnelMetrics;
    expect(`${addressOf(extension, srcIp)},${addressOf(extension, dstIp)}`).toBe(outer);
    expect(extension.readUInt32LE(tunnelMetrics.id)).toBe(id);
    expect(extension[tunnelMetrics.type]).toBe(type);
  });

  test('the inner frame’s tag, addresses and flags are the flow’s', async () => {
    native.testRun(datapath, { program: 'test_ingress_l2', frame: on4(VXLAN, vxlan(1, tagged)) });
    const [flow] = await takeFlows(datapath);
    expect(flow).toMatchObject({ vlanId: 7, tcpFlags: Flag.syn, macs: '020000000001020000000002' });
  });

  test('the tag around the tunnel is the outermost', async () => {
    const outside = ipv4(Proto.udp, datagram(VXLAN, vxlan(1, tagged)));
    const frame = ethernet(EtherType.vlan, vlanTag(5, EtherType.ipv4, outside));
    native.testRun(datapath, { program: 'test_ingress_l2', frame });
    expect(await takeFlows(datapath)).toMatchObject([
      { key: `${INNER4},40000,443,6,0,0`, vlanId: 5 },
    ]);
  });

  test('without a link layer outside', async () => {
    const frame = ipv4(Proto.udp, datagram(VXLAN, vxlan(1, frame4)));
    native.testRun(datapath, { program: 'test_ingress_l3', frame });
    const [flow] = await takeFlows(datapath);
    expect(flow).toMatchObject({
      key: `${INNER4},40000,443,6,0,0`,
      macs: '020000000001020000000002',
    });
  });

  const noId = vxlan(1, frame4);
  noId[0] = 0;
  test.each([
    ['ARP inside', on4(VXLAN, vxlan(1, arp)), VXLAN],
    ['cut short inside', on4(VXLAN, vxlan(1, frame4.subarray(0, 30))), VXLAN],
    ['nothing inside', on4(VXLAN, Buffer.alloc(4)), VXLAN],
    ['VXLAN without an identifier', on4(VXLAN, noId), VXLAN],
    ['a fragment', on4(VXLAN, vxlan(1, frame4), { moreFragments: true, id: 9 }), VXLAN],
    ['an unknown kind in Geneve', on4(GENEVE, geneve(1, 0x1234, frame4)), GENEVE],
    ['another port', on4(4790, vxlan(1, frame4)), 4790],
    [
      'the answer’s port',
      ethernet(EtherType.ipv4, ipv4(17, datagram(53, vxlan(1, frame4), VXLAN))),
      53,
    ],
  ])('%s: the flow is the outer one', async (_what, frame, port) => {
    native.testRun(datapath, { program: 'test_ingress_l2', frame });

    const [flow, ...others] = await takeFlows(datapath);
    expect(others).toEqual([]);
    expect(flow?.key.startsWith(OUTER4)).toBe(true);
    expect(flow?.key.split(',')[3]).toBe(`${port}`);
    expect(flow?.extensions.every((byte) => byte === 0)).toBe(true);
    expect(readStats(datapath).malformed.packets).toBe(0);
  });

  test('every segment of an offloaded packet repeats the headers of both', async () => {
    const payload = 3000;
    const inner = ipv4(Proto.tcp, tcp(Flag.ack, payload));
    const frame = on4(VXLAN, vxlan(1, ethernet(EtherType.ipv4, inner)));
    native.testRun(datapath, { program: 'test_ingress_l2', frame, gsoSegs: 3, gsoSize: 1000 });
    const [flow] = await takeFlows(datapath);
    // Ethernet, IPv4 and UDP, VXLAN, Ethernet, IPv4 and TCP.
    const headers = 14 + 28 + 8 + 14 + 40;
    expect(flow).toMatchObject({ packets: 3, bytes: payload + 3 * headers });
  });
});

describe.skipIf(requireRoot())('VXLAN over veth', () => {
  const PORT = 5001;
  let lab: Lab;

  beforeEach(() => {
    lab = new Lab();
  });
  afterEach(() => lab[Symbol.asyncDispose]());

  test.each([
    ['the uplinks alone', false],
    ['the tunnel’s own devices, too', true],
  ])('%s', async (_what, watchesTunnel) => {
    const client = lab.namespace('client');
    const server = lab.namespace('server');
    const [near, far] = lab.pair(
      { namespace: client, addresses: ['10.9.0.1/24'] },
      { namespace: server, addresses: ['10.9.0.2/24'] },
    );
    for (const [namespace, device, own, other, inner] of [
      [client, near, '10.9.0.1', '10.9.0.2', '10.8.0.1/24'],
      [server, far, '10.9.0.2', '10.9.0.1', '10.8.0.2/24'],
    ] as const) {
      const options = ['vxlan', 'id', '77', 'local', own, 'remote', other, 'dstport', '4789'];
      ip('-n', namespace, 'link', 'add', 'nbt-vx', 'type', ...options, 'dev', device);
      ip('-n', namespace, 'addr', 'add', inner, 'dev', 'nbt-vx');
      ip('-n', namespace, 'link', 'set', 'nbt-vx', 'up');
    }
    const exchange = { address: '10.8.0.2', port: PORT, sendBytes: 1_000_000, replyBytes: 1000 };
    await lab.tcp(client, server, { ...exchange, sendBytes: 1 });
    const before = lab.tcpSegments(client);
    const interfaces = [near, far, ...(watchesTunnel ? ['nbt-vx'] : [])];
    await using host = await startAgent({
      INTERFACES: interfaces.join(),
      TUNNEL_INNER_FLOWS: 'true',
    });

    await lab.tcp(client, server, exchange);
    const sent = lab.tcpSegments(client) - before;
    await host.agent.drainNow();

    const [flow, ...others] = host.flows.filter((each) => each.DstPort === PORT);
    expect(others).toEqual([]);
    expect(flow).toMatchObject({
      SrcAddr: '10.8.0.1',
      DstAddr: '10.8.0.2',
      TunnelType: 'vxlan',
      TunnelId: 77,
      TunnelSrcAddr: '10.9.0.1',
      TunnelDstAddr: '10.9.0.2',
      Packets: sent,
    });
    expect(new Set(flow?.Interfaces).size).toBe(watchesTunnel ? 3 : 2);
    expect(host.flows.filter((each) => each.DstPort === 4789 && each.Proto === 17)).toEqual([]);
  });
});
