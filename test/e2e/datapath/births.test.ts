/** Interfaces' connections decide where a packet counts, whatever others do with its mark. */
import { afterEach, describe, expect, test } from 'vitest';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import {
  type DatapathOptions,
  loadDatapath,
  native,
  readStats,
  setFacts,
  TEST_HOOKS,
  takeFlows,
} from './datapath.ts';
import { EtherType, ethernet, ipv4, Proto, udp } from './frames.ts';

const frame = (port = 40000): Buffer =>
  ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, port, 53)));
const ARP = ethernet(EtherType.arp, Buffer.alloc(28));

const INGRESS = 'test_ingress_l2';
const EGRESS = 'test_egress_l2';
const EVERY_MARK = Array.from({ length: 2047 }, (_, at) => (at + 1) << 5);
const BORN_BOTH = { ingress: true, bornIngress: true, bornEgress: true };
/** For a place in the middle of the path. */
const BORN_NOWHERE = { ingress: true };

describe.skipIf(requireRoot())('packets count where they are born', () => {
  let datapath: BpfObject;
  afterEach(() => native.close(datapath));

  function load(options: DatapathOptions = {}): void {
    datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS, ...options });
  }

  function pass(packet: Buffer, tcIndex: number, program: string, context = {}): number {
    return native.testRun(datapath, { program, frame: packet, tcIndex, ...context }).tcIndex;
  }

  async function packets(): Promise<number> {
    return (await takeFlows(datapath)).reduce((sum, flow) => sum + flow.packets, 0);
  }

  test('no mark hides a packet where it is born', async () => {
    load({ sampling: 1, rules: 'port=53' });
    setFacts(datapath, { bornIngress: true });
    for (const mark of EVERY_MARK) pass(frame(), mark, INGRESS);
    expect(await packets()).toBe(EVERY_MARK.length);
  });

  test('no mark hides a flow, wherever it is seen first', async () => {
    load();
    for (const mark of EVERY_MARK) pass(frame(), mark, EGRESS);
    expect(await packets()).toBe(EVERY_MARK.length);
  });

  test('no mark hides what is not wanted, or is no flow, where it is born', () => {
    load({ rules: 'port=80' });
    setFacts(datapath, { bornIngress: true });
    for (const mark of EVERY_MARK) {
      pass(frame(), mark, INGRESS);
      pass(ARP, mark, INGRESS);
    }
    const { unmatched, notIp } = readStats(datapath);
    expect(unmatched.packets).toBe(EVERY_MARK.length);
    expect(notIp.packets).toBe(EVERY_MARK.length);
  });

  describe.each([true, false])('marks: %s', (marks) => {
    test.each([
      // why, facts of the first place and direction, of the second
      ['comes in, goes out', BORN_BOTH, INGRESS, EGRESS],
      ['nobody knows where it is born', {}, INGRESS, EGRESS],
      ['was seen on its way out first', {}, EGRESS, INGRESS],
    ])('%s: once', async (_why, facts, first, second) => {
      load({ marks });
      setFacts(datapath, facts);
      for (let i = 0; i < 10; i++) {
        // A lost mark, or another program's mark.
        pass(frame(), 0, first);
        pass(frame(), 0x1234 * i, second, second === EGRESS ? withOrigin() : {});
      }
      const flows = await takeFlows(datapath);
      expect(flows).toMatchObject([{ packets: 10, firstDirection: first === EGRESS ? 1 : 0 }]);
      expect(flows[0]!.observed).toHaveLength(1);
    });

    test('what this host sends is born on its way out, and what it forwards is not', async () => {
      load({ marks });
      setFacts(datapath, BORN_BOTH);
      pass(frame(1), 0, EGRESS);
      pass(frame(2), 0, INGRESS);
      pass(frame(2), 0, EGRESS, withOrigin());
      expect((await takeFlows(datapath)).map((flow) => flow.packets)).toEqual([1, 1]);
    });

    test('what is left out counts once', () => {
      load({ marks, rules: 'port=80' });
      setFacts(datapath, BORN_BOTH);
      for (const packet of [frame(), ARP]) {
        const mark = pass(packet, 0, INGRESS);
        pass(packet, mark, EGRESS, withOrigin());
      }
      const { unmatched, notIp } = readStats(datapath);
      expect([unmatched.packets, notIp.packets]).toEqual([1, 1]);
    });

    test('sampling has one say', async () => {
      load({ marks, sampling: 4 });
      setFacts(datapath, BORN_BOTH);
      const sent = 2000;
      // Flows of one packet each, for which no earlier packet could decide.
      for (let port = 0; port < sent; port++) {
        const mark = pass(frame(port), 0, INGRESS);
        pass(frame(port), mark, EGRESS, withOrigin());
      }
      const recorded = (await takeFlows(datapath)).length;
      expect(recorded + readStats(datapath).sampledOut.packets).toBe(sent);
      // Six standard deviations of a binomial distribution with p = 1/4.
      expect(Math.abs(recorded - sent / 4)).toBeLessThan(6 * Math.sqrt((sent * 3) / 16));
    });

    test('a rule about the direction takes back what was left out before', async () => {
      load({ marks, rules: 'direction=Egress' });
      setFacts(datapath, BORN_BOTH);
      for (let i = 0; i < 5; i++) {
        const mark = pass(frame(), 0, INGRESS);
        pass(frame(), mark, EGRESS, withOrigin());
      }
      expect(await packets()).toBe(5);
      expect(readStats(datapath).unmatched.packets).toBe(0);
    });

    test('a map that is full counts what finds no room once', () => {
      load({ marks, entries: 10 });
      setFacts(datapath, BORN_BOTH);
      for (let port = 0; port < 30; port++) {
        const mark = pass(frame(port), 0, INGRESS);
        pass(frame(port), mark, EGRESS, withOrigin());
      }
      expect(readStats(datapath).mapFull.packets).toBe(20);
    });
  });

  test('without marks the field is left as it is', () => {
    load({ marks: false, sampling: 2 });
    for (const value of [0, 0x1f, 0x20, 0xffe0, 0xffff]) {
      for (const packet of [frame(), ARP]) expect(pass(packet, value, INGRESS)).toBe(value);
    }
  });

  test('a hook that comes later is heeded by flows that are known already', async () => {
    load({ marks: false });
    setFacts(datapath, BORN_BOTH);
    pass(frame(), 0, INGRESS);
    // Now there is a hook at the other end of the pair, which sees it first.
    setFacts(datapath, BORN_NOWHERE);
    setFacts(datapath, { bornEgress: true }, 2);
    expect(await packets()).toBe(1);
    pass(frame(), 0, INGRESS);
    pass(frame(), 0, EGRESS, withOrigin());
    expect(await packets()).toBe(1);
  });
});

/** The packet has entered through an interface, like forwarded ones. */
function withOrigin(): { readonly ingressIfindex: number } {
  return { ingressIfindex: 1 };
}
