/** One frame of every header shape through the real programs, by BPF_PROG_TEST_RUN. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, readStats, TEST_HOOKS, takeFlows, totalOf } from './datapath.ts';
import {
  authentication,
  EtherType,
  ethernet,
  extension,
  Flag,
  type Ipv4Options,
  icmp,
  ipv4,
  ipv6,
  ipv6Fragment,
  Proto,
  sctp,
  tcp,
  udp,
  vlanTag,
} from './frames.ts';

const V4 = '00000000000000000000ffff0a000001,00000000000000000000ffff0a000002';
const V6 = '20010db8000000000000000000000001,20010db8000000000000000000000002';

const [MAPPED, MAPPED_TOO] = V4.split(',').map((hex) => Buffer.from(hex, 'hex')) as [
  Buffer,
  Buffer,
];

const on4 = (protocol: number, payload: Buffer, options: Ipv4Options = {}): Buffer =>
  ethernet(EtherType.ipv4, ipv4(protocol, payload, options));
const on6 = (next: number, payload: Buffer): Buffer =>
  ethernet(EtherType.ipv6, ipv6(next, payload));
const tagged = (type: number, payload: Buffer): Buffer =>
  ethernet(EtherType.vlan, vlanTag(7, type, payload));

const NEXT = -1;

// Both ways to read headers: in place, and by copy if they lie outside the linear area.
describe.skipIf(requireRoot()).each(['flows_test', 'flows_copy_test'] as const)('%s', (object) => {
  let datapath: BpfObject;

  beforeEach(() => {
    datapath = loadDatapath({ object, programs: TEST_HOOKS });
  });
  afterEach(() => native.close(datapath));

  function run(frame: Buffer, program = 'test_ingress_l2', extra = {}): void {
    const result = native.testRun(datapath, { program, frame, ...extra });
    expect(result.retval).toBe(NEXT);
    expect(Buffer.from(result.data).equals(frame)).toBe(true);
  }

  test.each([
    ['IPv4 UDP', on4(Proto.udp, udp(4)), `${V4},40000,53,17,0,0`, {}],
    ['IPv4 TCP', on4(Proto.tcp, tcp(Flag.syn)), `${V4},40000,443,6,0,0`, { tcpFlags: 2 }],
    ['IPv4 SCTP', on4(Proto.sctp, sctp()), `${V4},3868,3869,132,0,0`, {}],
    ['IPv4 ICMP', on4(Proto.icmp, icmp(8, 3)), `${V4},0,0,1,8,3`, {}],
    ['IPv4 GRE: ports 0', on4(47, Buffer.alloc(8)), `${V4},0,0,47,0,0`, {}],
    ['IPv4 protocol without payload', on4(89, Buffer.alloc(0)), `${V4},0,0,89,0,0`, {}],
    ['DSCP', on4(Proto.udp, udp(0), { tos: 0xb9 }), `${V4},40000,53,17,0,0`, { dscp: 46 }],
    [
      'IPv4 options',
      on4(Proto.udp, udp(4), { options: Buffer.alloc(40, 1) }),
      `${V4},40000,53,17,0,0`,
      {},
    ],
    [
      'Ethernet padding',
      Buffer.concat([on4(Proto.udp, udp(1)), Buffer.alloc(17)]),
      `${V4},40000,53,17,0,0`,
      { bytes: 60 },
    ],
    ['IPv6 TCP', on6(Proto.tcp, tcp(Flag.ack)), `${V6},40000,443,6,0,0`, { tcpFlags: 16 }],
    ['IPv4 UDP-Lite', on4(Proto.udpLite, udp(4)), `${V4},40000,53,136,0,0`, {}],
    ['IPv4 DCCP', on4(Proto.dccp, udp(4)), `${V4},40000,53,33,0,0`, {}],
    [
      'IPv4 UDP behind AH',
      on4(Proto.ah, authentication(Proto.udp, udp(4))),
      `${V4},40000,53,17,0,0`,
      {},
    ],
    ['IPv4 AH around IP', on4(Proto.ah, authentication(4, udp(4))), `${V4},0,0,4,0,0`, {}],
    [
      'IPv6 with addresses of IPv4',
      ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(4), { source: MAPPED, target: MAPPED_TOO })),
      `${V4},40000,53,17,0,0,mapped`,
      { ethProtocol: 0x86dd },
    ],
    [
      'IPv6 to an address of IPv4',
      ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(4), { target: MAPPED_TOO })),
      `${V6.split(',')[0]},${V4.split(',')[1]},40000,53,17,0,0,mapped`,
      { ethProtocol: 0x86dd },
    ],
    ['IPv6 UDP', on6(Proto.udp, udp(4)), `${V6},40000,53,17,0,0`, { ethProtocol: 0x86dd }],
    ['IPv6 ICMP', on6(Proto.icmpv6, icmp(128, 0)), `${V6},0,0,58,128,0`, {}],
    ['IPv6 no next header', on6(Proto.none, Buffer.alloc(0)), `${V6},0,0,59,0,0`, {}],
    ['IPv6 ESP', on6(Proto.esp, Buffer.alloc(16)), `${V6},0,0,50,0,0`, {}],
    [
      'IPv6 traffic class',
      ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(0), { trafficClass: 0xb8 })),
      `${V6},40000,53,17,0,0`,
      { dscp: 46 },
    ],
    [
      'IPv6 with all extensions',
      on6(
        Proto.hopByHop,
        extension(
          Proto.destination,
          extension(
            Proto.routing,
            extension(Proto.ah, authentication(Proto.destination, extension(Proto.udp, udp(4))), 2),
            1,
          ),
        ),
      ),
      `${V6},40000,53,17,0,0`,
      {},
    ],
    [
      'IPv6 atomic fragment',
      on6(Proto.fragment, ipv6Fragment(Proto.udp, udp(4), { id: 1, offset: 0, more: false })),
      `${V6},40000,53,17,0,0`,
      {},
    ],
    [
      '802.1Q',
      ethernet(EtherType.vlan, vlanTag(7, EtherType.ipv4, ipv4(Proto.udp, udp(4)))),
      `${V4},40000,53,17,0,0`,
      { vlanId: 7 },
    ],
    [
      'QinQ: the outer tag is the flow’s',
      ethernet(
        EtherType.qinq,
        vlanTag(100, EtherType.vlan, vlanTag(7, EtherType.ipv6, ipv6(Proto.tcp, tcp(Flag.fin)))),
      ),
      `${V6},40000,443,6,0,0`,
      { vlanId: 100, tcpFlags: 1 },
    ],
  ])('%s', async (_why, frame, key, wanted) => {
    run(frame);

    expect(await takeFlows(datapath)).toMatchObject([
      { key, packets: 1, bytes: frame.length, macs: '020000000001020000000002', ...wanted },
    ]);
  });

  test.each([
    ['ARP', ethernet(EtherType.arp, Buffer.alloc(28)), 'notIp'],
    ['802.3 length field', ethernet(0x26, Buffer.alloc(40)), 'notIp'],
    ['bare Ethernet header', ethernet(EtherType.arp, Buffer.alloc(0)), 'notIp'],
    ['tag without anything', ethernet(EtherType.vlan, Buffer.alloc(2)), 'notIp'],
    // After a tag, since the kernel refuses a test run on such an untagged frame.
    [
      'IPv4 cut short',
      tagged(EtherType.ipv4, ipv4(Proto.udp, udp(0)).subarray(0, 19)),
      'malformed',
    ],
    ['IPv4 says version 5', on4(Proto.udp, udp(0), { version: 5 }), 'malformed'],
    ['IPv4 header under 20 bytes', on4(Proto.udp, udp(0), { headerWords: 4 }), 'malformed'],
    ['IPv4 length under its header', on4(Proto.udp, udp(0), { totalLength: 19 }), 'malformed'],
    ['IPv4 longer than the frame', on4(Proto.udp, udp(0), { totalLength: 400 }), 'malformed'],
    ['TCP header cut short', on4(Proto.tcp, tcp(Flag.syn).subarray(0, 19)), 'malformed'],
    ['UDP header cut short', on4(Proto.udp, udp(0).subarray(0, 7)), 'malformed'],
    ['ICMP header cut short', on4(Proto.icmp, icmp(8, 0).subarray(0, 7)), 'malformed'],
    ['DCCP header cut short', on4(Proto.dccp, udp(0)), 'malformed'],
    ['AH beyond the end', on4(Proto.ah, Buffer.from([17, 200, 0, 0, 0, 0, 0, 0])), 'malformed'],
    ['SCTP header cut short', on4(Proto.sctp, sctp().subarray(0, 11)), 'malformed'],
    [
      'IPv6 cut short',
      tagged(EtherType.ipv6, ipv6(Proto.udp, udp(0)).subarray(0, 39)),
      'malformed',
    ],
    [
      'extension beyond the end',
      on6(Proto.hopByHop, Buffer.from([17, 200, 0, 0, 0, 0, 0, 0])),
      'malformed',
    ],
    [
      'nine extensions',
      on6(
        Proto.destination,
        Array.from({ length: 8 }).reduce<Buffer>(
          (inner) => extension(Proto.destination, inner),
          extension(Proto.udp, udp(4)),
        ),
      ),
      'malformed',
    ],
  ] as const)('%s is counted, not recorded', async (_why, frame, reason) => {
    run(frame);

    expect(await takeFlows(datapath)).toEqual([]);
    const stats = readStats(datapath);
    expect(stats[reason]).toEqual({ packets: 1, bytes: frame.length });
    expect(totalOf(Object.values(stats)).packets).toBe(1);
  });

  test('IPv4 and IPv6 with the same addresses are two flows', async () => {
    run(on4(Proto.udp, udp(4)));
    const addresses = { source: MAPPED, target: MAPPED_TOO };
    run(ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(4), addresses)));

    const flows = await takeFlows(datapath);
    expect(flows.map(({ packets, ethProtocol }) => [packets, ethProtocol]).sort()).toEqual([
      [1, EtherType.ipv4],
      [1, EtherType.ipv6],
    ]);
  });

  test('TCP flags of every packet add up', async () => {
    run(on4(Proto.tcp, tcp(Flag.syn | Flag.ece | Flag.cwr)));
    run(on4(Proto.tcp, tcp(Flag.ack | Flag.psh | Flag.urg)));
    run(on4(Proto.tcp, tcp(Flag.ack | Flag.fin)));

    expect(await takeFlows(datapath)).toMatchObject([
      { packets: 3, tcpFlags: 2 | 64 | 128 | 16 | 8 | 32 | 1 | 512 },
    ]);
  });

  test.each([
    ['SYN-ACK', Flag.syn | Flag.ack, 2 | 16 | 256],
    ['FIN-ACK', Flag.fin | Flag.ack, 1 | 16 | 512],
    ['RST-ACK', Flag.rst | Flag.ack, 4 | 16 | 1024],
    ['RST alone', Flag.rst, 4],
  ])('%s in one packet', async (_why, bits, tcpFlags) => {
    run(on4(Proto.tcp, tcp(bits)));

    expect(await takeFlows(datapath)).toMatchObject([{ tcpFlags }]);
  });

  test('fragments of IPv4 carry the first one’s ports, unless they overtake it', async () => {
    const data = Buffer.alloc(16);
    run(on4(Proto.udp, data, { id: 9, fragmentOffset: 1 }));
    run(on4(Proto.udp, udp(8), { id: 9, moreFragments: true }));
    run(on4(Proto.udp, data, { id: 9, fragmentOffset: 2, moreFragments: true }));
    run(on4(Proto.udp, data, { id: 9, fragmentOffset: 4 }));
    run(on4(Proto.udp, data, { id: 10, fragmentOffset: 4 }));

    const flows = await takeFlows(datapath);
    expect(flows).toHaveLength(2);
    expect(flows.find((flow) => flow.key === `${V4},40000,53,17,0,0`)?.packets).toBe(3);
    expect(flows.find((flow) => flow.key === `${V4},0,0,17,0,0`)?.packets).toBe(2);
  });

  test('fragments of IPv6 carry the first one’s ports', async () => {
    const first = ipv6Fragment(Proto.udp, udp(8), { id: 77, offset: 0, more: true });
    const last = ipv6Fragment(Proto.udp, Buffer.alloc(16), { id: 77, offset: 2, more: false });
    run(on6(Proto.fragment, first));
    run(on6(Proto.hopByHop, extension(Proto.fragment, last)));

    expect(await takeFlows(datapath)).toMatchObject([{ key: `${V6},40000,53,17,0,0`, packets: 2 }]);
  });

  test('a first fragment that ends within the TCP header is a flow without flags', async () => {
    const start = tcp(Flag.syn).subarray(0, 8);
    run(
      Buffer.concat([on4(Proto.tcp, start, { id: 5, moreFragments: true }), Buffer.alloc(18, 255)]),
    );

    expect(await takeFlows(datapath)).toMatchObject([
      { key: `${V4},40000,443,6,0,0`, tcpFlags: 0 },
    ]);
  });

  test.each([
    ['IPv4', ipv4(Proto.tcp, tcp(Flag.syn)), `${V4},40000,443,6,0,0`],
    ['IPv6', ipv6(Proto.tcp, tcp(Flag.syn)), `${V6},40000,443,6,0,0`],
  ])('%s on a device without a link layer', async (_why, frame, key) => {
    run(frame, 'test_ingress_l3');

    expect(await takeFlows(datapath)).toMatchObject([
      { key, bytes: frame.length, macs: '0'.repeat(24) },
    ]);
  });

  test('neither version on a device without a link layer', async () => {
    run(Buffer.alloc(40, 0x50), 'test_ingress_l3');

    expect(readStats(datapath).notIp).toEqual({ packets: 1, bytes: 40 });
  });

  // 3000 bytes of payload in segments of 1000 after 14 + 20 + 32 bytes of headers.
  test.each([
    ['counted by the sender', { gsoSegs: 3, gsoSize: 1000 }],
    ['left to the receiver', { gsoSize: 1000 }],
  ])('segments %s are packets on the wire', async (_why, context) => {
    const frame = on4(Proto.tcp, tcp(Flag.ack, 3000, 3));
    run(frame, 'test_ingress_l2', context);

    expect(await takeFlows(datapath)).toMatchObject([
      { packets: 3, bytes: frame.length + 2 * (14 + 20 + 32) },
    ]);
  });

  test('segments of UDP repeat their headers too', async () => {
    const frame = on6(Proto.udp, udp(2500));
    run(frame, 'test_ingress_l2', { gsoSegs: 3, gsoSize: 1000 });

    expect(await takeFlows(datapath)).toMatchObject([
      { packets: 3, bytes: frame.length + 2 * (14 + 40 + 8) },
    ]);
  });

  test('time runs from the first packet to the last', async () => {
    const frame = on4(Proto.udp, udp(4));
    run(frame);
    run(frame);

    const [flow] = await takeFlows(datapath);
    expect(flow!.startNs > 0n && flow!.endNs >= flow!.startNs).toBe(true);
  });
});
