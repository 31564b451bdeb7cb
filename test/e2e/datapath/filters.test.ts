/** How hooks treat packets that match filter rules, or do not. */
import { afterEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import {
  type DatapathOptions,
  loadDatapath,
  native,
  readStats,
  type Stats,
  TEST_HOOKS,
  takeFlows,
} from './datapath.ts';
import { EtherType, ethernet, Flag, ipv4, ipv6, Proto, tcp, udp } from './frames.ts';

const on = (port: number): Buffer =>
  ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, 40000, port)));
const ARP = ethernet(EtherType.arp, Buffer.alloc(28));

const INGRESS = 'test_ingress_l2';
const EGRESS = 'test_egress_l2';
const NOTHING = { packets: 0, bytes: 0 };

describe.skipIf(requireRoot())('filter rules at hooks', () => {
  let datapath: BpfObject;
  afterEach(() => native.close(datapath));

  function load(rules: string, options: DatapathOptions = {}): void {
    datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS, rules, ...options });
  }

  function pass(packet: Buffer, tcIndex = 0, program = INGRESS, context = {}): number {
    const result = native.testRun(datapath, { program, frame: packet, tcIndex, ...context });
    expect(result.retval).toBe(-1);
    return result.tcIndex;
  }

  const filtered = ({ rejected, unmatched }: Stats) => ({ rejected, unmatched });

  test('a packet that is not wanted is counted once, whatever hooks it meets', async () => {
    load('action=Reject port=22; port=53');
    for (const port of [53, 22, 80]) {
      pass(on(port), pass(on(port), pass(on(port)), EGRESS), EGRESS);
    }

    const flows = await takeFlows(datapath);
    const one = { packets: 1, bytes: on(22).length };
    expect(flows).toMatchObject([one]);
    expect(filtered(readStats(datapath))).toEqual({ rejected: one, unmatched: one });
  });

  test.each([
    // Any address of either family, unless there is also a rule for ::/0.
    ['ip_cidr=0.0.0.0/0', true],
    ['ip_cidr=0.0.0.0/0; ip_cidr=::/0 action=Reject', false],
    ['ip_cidr=10.0.0.0/8', false],
    ['ip_cidr=::/0', true],
  ])('IPv6 with the addresses of IPv4 passes %s: %s', async (rules, isIn) => {
    load(rules);
    const source = Buffer.from('00000000000000000000ffff0a000001', 'hex');
    const target = Buffer.from('00000000000000000000ffff0a000002', 'hex');
    pass(ethernet(EtherType.ipv6, ipv6(Proto.udp, udp(20), { source, target })));

    expect(await takeFlows(datapath)).toHaveLength(isIn ? 1 : 0);
  });

  test('only rules that reject: all the rest is recorded', async () => {
    load('action=Reject port=22');
    for (const port of [22, 80, 81]) pass(on(port));
    expect(await takeFlows(datapath)).toHaveLength(2);
    expect(readStats(datapath).rejected.packets).toBe(1);
  });

  test('segments that are not wanted are counted as on the wire', () => {
    load('port=22');
    const segments = ethernet(EtherType.ipv4, ipv4(Proto.tcp, tcp(Flag.ack, 3000)));
    pass(segments, 0, INGRESS, { gsoSize: 1000, gsoSegs: 3 });
    const headers = 14 + 20 + 20;
    const bytes = segments.length + 2 * headers;
    expect(readStats(datapath).unmatched).toEqual({ packets: 3, bytes });
  });

  test.each([
    ['none matches at the first hook', 'direction=Egress', 'unmatched'],
    [
      'one rejects at the first hook',
      'action=Reject direction=Ingress port=53; port=53',
      'rejected',
    ],
  ])('a packet that a later hook wants is taken back: %s', async (_why, rules, reason) => {
    load(rules);
    const carried = pass(on(53));
    expect(readStats(datapath)[reason as keyof Stats].packets).toBe(1);
    const wanted = pass(on(53), carried, EGRESS);
    pass(on(53), wanted, INGRESS);

    expect(await takeFlows(datapath)).toMatchObject([{ packets: 1, firstDirection: 1 }]);
    expect(filtered(readStats(datapath))).toEqual({ rejected: NOTHING, unmatched: NOTHING });
  });

  test('a packet that turns into a flow that is not wanted stays recorded as what it was', async () => {
    load('port=53');
    const carried = pass(on(53));
    expect(pass(on(80), carried)).toBe(carried);
    expect(await takeFlows(datapath)).toHaveLength(1);
    expect(filtered(readStats(datapath))).toEqual({ rejected: NOTHING, unmatched: NOTHING });
  });

  test.each([
    ['port=53', 'unmatched'],
    ['action=Reject port=80; port=53', 'rejected'],
  ])(
    'a packet that turns into a flow that is wanted counts for that, too: %s',
    async (rules, reason) => {
      load(rules);
      pass(on(53), pass(on(80)), EGRESS);
      const one = { packets: 1, bytes: on(80).length };
      expect(await takeFlows(datapath)).toMatchObject([one]);
      const nothing = { rejected: NOTHING, unmatched: NOTHING };
      expect(filtered(readStats(datapath))).toEqual({ ...nothing, [reason]: one });
    },
  );

  test('what is no flow is no matter of rules', () => {
    load('port=53');
    pass(ARP);
    const { notIp, unmatched } = readStats(datapath);
    expect([notIp.packets, unmatched.packets]).toEqual([1, 0]);
  });

  test('a rule’s rate takes the place of the global one, where the whole rule matches', async () => {
    // All rates are unambiguous: 1 of 1, or hardly ever one of 2000.
    load('port=53 sample=1; port=80; action=Reject port=22 sample=1', { sampling: 2 ** 31 });
    for (let i = 0; i < 1000; i++) for (const port of [53, 80, 22]) pass(on(port));

    expect(await takeFlows(datapath)).toMatchObject([{ packets: 1000, sampling: 1 }]);
    const { sampledOut, rejected } = readStats(datapath);
    expect([sampledOut.packets, rejected.packets]).toEqual([1000, 1000]);
  });

  test('a rule’s rate is drawn once per packet and stored with the flow', async () => {
    load('port=53 sample=4');
    for (let i = 0; i < 4000; i++) pass(on(53), pass(on(53)), EGRESS);
    const [flow] = await takeFlows(datapath);
    expect(flow?.sampling).toBe(4);
    // 1000 of 4000, plus or minus six standard deviations.
    expect(Math.abs(flow!.packets - 1000)).toBeLessThan(165);
    expect(readStats(datapath).sampledOut.packets).toBe(4000 - flow!.packets);
  });

  test('without rates in rules the draw comes first', () => {
    load('port=53', { sampling: 2 ** 31 });
    for (let i = 0; i < 100; i++) pass(on(80));
    expect(readStats(datapath).sampledOut.packets).toBe(100);
  });
});
