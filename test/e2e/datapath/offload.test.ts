/** Packets of several segments: the size of each on the wire, including headers inside tunnels. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, TEST_HOOKS, takeFlows, totalOf } from './datapath.ts';
import {
  datagram,
  EtherType,
  ethernet,
  extension,
  Flag,
  geneve,
  ipv4,
  ipv6,
  Proto,
  tcp,
  udp,
  vxlan,
} from './frames.ts';
import { frameOf, mpls, pppoe, tag } from './link-frames.ts';

const SEGMENTS = 3;
const SIZE = 1000;
const PAYLOAD = SEGMENTS * SIZE;
const GRE = 47;
const IP_IN_IP = 4;
const IPV6_IN_IP = 41;

const inside4 = ipv4(Proto.tcp, tcp(Flag.ack, PAYLOAD, 3));
const inside6 = ipv6(Proto.tcp, tcp(Flag.ack, PAYLOAD, 3));
const datagrams = ipv4(Proto.udp, udp(PAYLOAD));
const frame4 = ethernet(EtherType.ipv4, inside4);
const frame6 = ethernet(EtherType.ipv6, inside6);

const on4 = (protocol: number, payload: Buffer): Buffer =>
  ethernet(EtherType.ipv4, ipv4(protocol, payload));
const on6 = (protocol: number, payload: Buffer): Buffer =>
  ethernet(EtherType.ipv6, ipv6(protocol, payload));
/** `flags` show which of checksum, key and sequence number follow. */
const gre = (flags: string, type: number, payload: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from(flags.slice(0, 4) + type.toString(16).padStart(4, '0') + flags.slice(4), 'hex'),
    payload,
  ]);

describe.skipIf(requireRoot()).each(['flows_test', 'flows_copy_test'] as const)('%s', (object) => {
  let datapath: BpfObject;

  beforeEach(() => {
    datapath = loadDatapath({ object, programs: TEST_HOOKS });
  });
  afterEach(() => native.close(datapath));

  const run = (program: string, frame: Buffer, gsoSegs: number) =>
    native.testRun(datapath, { program, frame, gsoSegs, gsoSize: SIZE });

  // Everything in a frame except its payload precedes each of its segments.
  test.each([
    ['TCP', frame4],
    ['TCP over IPv6', frame6],
    ['TCP behind tags', frameOf(tag(1)(tag(2)({ type: EtherType.ipv4, payload: inside4 })))],
    ['TCP behind labels', frameOf(mpls(16, 17)({ type: EtherType.ipv4, payload: inside4 }))],
    ['TCP in PPPoE', frameOf(pppoe()({ type: EtherType.ipv6, payload: inside6 }))],
    ['datagrams', ethernet(EtherType.ipv4, datagrams)],
    ['VXLAN', on4(Proto.udp, datagram(4789, vxlan(1, frame4)))],
    ['VXLAN on its older port', on4(Proto.udp, datagram(8472, vxlan(1, frame6)))],
    ['VXLAN over IPv6', on6(Proto.udp, datagram(4789, vxlan(1, frame4)))],
    [
      'VXLAN, datagrams inside',
      on4(Proto.udp, datagram(4789, vxlan(1, ethernet(EtherType.ipv4, datagrams)))),
    ],
    ['Geneve with options', on4(Proto.udp, datagram(6081, geneve(1, 0x6558, frame6, 5)))],
    ['Geneve, bare IP inside', on4(Proto.udp, datagram(6081, geneve(1, EtherType.ipv4, inside4)))],
    ['GRE', on4(GRE, gre('0000', EtherType.ipv4, inside4))],
    ['GRE with a key', on4(GRE, gre('200000000001', EtherType.ipv6, inside6))],
    [
      'GRE with checksum, key and number',
      on4(GRE, gre(`b000${'00'.repeat(12)}`, EtherType.ipv4, inside4)),
    ],
    ['GRE of frames over IPv6', on6(GRE, gre('0000', 0x6558, frame4))],
    ['IP in IP', on4(IP_IN_IP, inside4)],
    ['IPv6 in IPv4', on4(IPV6_IN_IP, inside6)],
    ['IPv4 in IPv6', on6(IP_IN_IP, inside4)],
    ['IPv6 in IPv6', on6(IPV6_IN_IP, inside6)],
  ])('%s', async (_why, frame) => {
    const headers = frame.length - PAYLOAD;
    const whole = { packets: SEGMENTS, bytes: PAYLOAD + SEGMENTS * headers };
    for (const hook of ['test_ingress_l2', 'test_egress_l2']) {
      run(hook, frame, SEGMENTS);
      expect(totalOf(await takeFlows(datapath))).toEqual(whole);
    }
    if (frame !== frame4) return;
    // The receiver counts them, as with guests.
    run('test_ingress_l2', frame, 0);
    expect(totalOf(await takeFlows(datapath))).toEqual(whole);
  });

  test('a tunnel’s packet that is not cut up is what it is', async () => {
    const frame = on4(GRE, gre('0000', EtherType.ipv4, inside4));
    native.testRun(datapath, { program: 'test_ingress_l2', frame });

    expect(totalOf(await takeFlows(datapath))).toEqual({ packets: 1, bytes: frame.length });
  });

  test('the length of a large IPv6 packet, in options, is in none of its segments', async () => {
    const large = extension(Proto.tcp, tcp(Flag.ack, PAYLOAD, 3));
    const frame = ethernet(EtherType.ipv6, ipv6(Proto.hopByHop, large, { payloadLength: 0 }));
    run('test_ingress_l2', frame, SEGMENTS);

    const headers = frame.length - PAYLOAD - 8;
    expect(totalOf(await takeFlows(datapath))).toEqual({
      packets: SEGMENTS,
      bytes: PAYLOAD + SEGMENTS * headers,
    });
  });

  test('other options are in all of them', async () => {
    const frame = on6(Proto.hopByHop, extension(Proto.tcp, tcp(Flag.ack, PAYLOAD, 3)));
    run('test_ingress_l2', frame, SEGMENTS);

    const headers = frame.length - PAYLOAD;
    expect(totalOf(await takeFlows(datapath)).bytes).toBe(PAYLOAD + SEGMENTS * headers);
  });
});
