/** One packet at several hooks, sampling, and a map that is too small. */
import { afterEach, describe, expect, test } from 'vitest';
import { flowKey, flowMetrics, ifindexSeen } from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { requireRoot } from '../../support/require.ts';
import {
  type DatapathOptions,
  loadDatapath,
  native,
  readStats,
  shared,
  TEST_HOOKS,
  takeFlows,
  totalOf,
} from './datapath.ts';
import { EtherType, ethernet, Flag, ipv4, Proto, tcp, udp } from './frames.ts';

const frame = (port = 40000, last = 1): Buffer =>
  ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, port), { source: [10, 0, 0, last] }));
const ARP = ethernet(EtherType.arp, Buffer.alloc(28));
const CUT = ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(0).subarray(0, 4)));

const LOOPBACK = 1;
/** tc_index bits that others may use. */
const FOREIGN_BITS = 0x1f;

describe.skipIf(requireRoot())('hooks', () => {
  let datapath: BpfObject;
  afterEach(() => native.close(datapath));

  function load(options: DatapathOptions = {}): void {
    datapath = loadDatapath({ object: 'flows_test', programs: TEST_HOOKS, ...options });
  }

  /** Returns the packet's data for its next hook. */
  function pass(packet: Buffer, tcIndex = 0, program = 'test_ingress_l2', context = {}): number {
    const result = native.testRun(datapath, { program, frame: packet, tcIndex, ...context });
    expect(result.retval).toBe(-1);
    return result.tcIndex;
  }

  test('a packet counts at its first hook and is only noted at later ones', async () => {
    load();
    const carried = pass(frame());
    pass(frame(), carried, 'test_egress_l2');

    const [flow] = await takeFlows(datapath);
    expect(flow).toMatchObject({ packets: 1, bytes: frame().length, firstDirection: 0 });
    expect(flow?.observed).toEqual([
      {
        netns: expect.any(Number),
        ifindexSeen: LOOPBACK + ifindexSeen.seenIngress + ifindexSeen.seenEgress,
      },
    ]);
  });

  test('the namespace is part of an interface’s identity', async () => {
    load();
    pass(frame());

    const [flow] = await takeFlows(datapath);
    const own = native.openNamespace('/proc/self/ns/net');
    native.closeFd(own.fd);
    expect(flow?.observed[0]?.netns).toBe(Number(BigInt(own.cookie) & 0xffffffffn));
  });

  test('tag bits of others are left as they are', () => {
    load();
    expect(pass(frame(), FOREIGN_BITS) & FOREIGN_BITS).toBe(FOREIGN_BITS);
    expect(pass(frame()) & FOREIGN_BITS).toBe(0);
    expect(pass(frame(), FOREIGN_BITS) >> 5).toBe(pass(frame()) >> 5);
  });

  test('a packet that has become another flow counts for that one too', async () => {
    load();
    pass(frame(40000, 7), pass(frame(40000, 1)), 'test_egress_l2');

    const flows = await takeFlows(datapath);
    expect(flows.map((flow) => flow.packets)).toEqual([1, 1]);
  });

  test('a sighting alone makes no flow', async () => {
    load();
    const carried = pass(frame());
    // The packet is under way while maps are swapped.
    await native.swap(datapath);
    pass(frame(), carried, 'test_egress_l2');

    expect(await takeFlows(datapath)).toEqual([]);
    expect(totalOf(Object.values(readStats(datapath))).packets).toBe(0);
  });

  test.each([
    ['not IP', ARP, 'notIp'],
    ['malformed', CUT, 'malformed'],
  ] as const)('%s counts at the first hook only', (_why, packet, reason) => {
    load();
    pass(packet, pass(packet), 'test_egress_l2');

    expect(readStats(datapath)[reason]).toEqual({ packets: 1, bytes: packet.length });
  });

  test('a packet that is no flow can become one inside a tunnel', async () => {
    load();
    pass(frame(4789), pass(ARP), 'test_egress_l2');

    expect(await takeFlows(datapath)).toMatchObject([{ packets: 1 }]);
  });

  test('sampling is decided once per packet and counts what it leaves out', async () => {
    load({ sampling: 4 });
    const sent = 4000;
    for (let i = 0; i < sent; i++) pass(frame(), pass(frame()), 'test_egress_l2');

    const [flow] = await takeFlows(datapath);
    const { sampledOut } = readStats(datapath);
    expect(flow!.packets + sampledOut.packets).toBe(sent);
    expect(flow!.bytes + sampledOut.bytes).toBe(sent * frame().length);
    expect(flow!.sampling).toBe(4);
    // Six standard deviations of a binomial distribution with p = 1/4.
    expect(Math.abs(flow!.packets - sent / 4)).toBeLessThan(6 * Math.sqrt((sent * 3) / 16));
  });

  test('what sampling leaves out of offloaded packets is counted as on the wire', async () => {
    load({ sampling: 0xffffffff });
    const big = ethernet(EtherType.ipv4, ipv4(Proto.tcp, tcp(Flag.ack, 3000)));
    pass(big, 0, 'test_ingress_l2', { gsoSegs: 3, gsoSize: 1000 });

    expect(readStats(datapath).sampledOut).toEqual({ packets: 3, bytes: big.length + 2 * 54 });
  });

  test('a map too small: recorded and unrecorded add up to what was sent', async () => {
    load({ entries: 100 });
    const sent = 1000;
    // Every packet passes two hooks: one that could not be recorded at the first counts only there.
    for (let port = 0; port < sent; port++) {
      pass(frame(port), pass(frame(port)), 'test_egress_l2');
    }

    const flows = await takeFlows(datapath);
    const { mapFull, mapError } = readStats(datapath);
    expect(flows).toHaveLength(100);
    expect(mapError.packets).toBe(0);
    expect(mapFull.packets).toBe(sent - 100);
    expect(totalOf([...flows, mapFull]).bytes).toBe(sent * frame().length);
  });

  test('user space is woken once per swap', async () => {
    load({ wakeEntries: 10 });
    let woken = 0;
    let notify = (): void => {};
    const watcher = native.watch((_fd, bytes) => {
      expect(bytes).toBeUndefined();
      woken++;
      notify();
    });
    const wake = (): Promise<void> => new Promise((resolve) => (notify = resolve));
    watcher.addRing(datapath, 'wake');

    for (const round of [1, 2]) {
      const heard = wake();
      for (let port = 0; port < 25; port++) pass(frame(port));
      await heard;
      expect(woken).toBe(round);
      await takeFlows(datapath);
    }
    watcher.close();
  });

  test('small buffers drain a full map piece by piece', async () => {
    const flows = 20_000;
    load({ entries: flows, programs: ['test_sweep'] });
    native.testRun(datapath, { program: 'test_sweep', frame: frame(), repeat: flows });
    const still = (await native.swap(datapath)) === 0 ? 'flows_a' : 'flows_b';
    const keys = shared(256 * flowKey.sizeBytes);
    const values = shared(256 * flowMetrics.sizeBytes);

    const seen = new Set<string>();
    for (;;) {
      const count = await native.drain(datapath, still, keys, values);
      if (count === 0) break;
      for (let row = 0; row < count; row++) {
        seen.add(keys.toString('hex', row * flowKey.sizeBytes, (row + 1) * flowKey.sizeBytes));
      }
    }
    expect(seen.size).toBe(flows);
  });

  test('time does not stand still', async () => {
    load();
    pass(frame());
    const [first] = await takeFlows(datapath);
    pass(frame());
    const [second] = await takeFlows(datapath);
    expect(second!.startNs).toBeGreaterThan(first!.endNs);
  });
});
