import { describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const V4 = ['10.91.0.1', '10.91.0.2'] as const;
const V6 = ['fd91::1', 'fd91::2'] as const;

describe.skipIf(requireRoot())('sums against the kernel’s own counters', () => {
  test('TCP and UDP, both families and ways, offloads off: exactly the interface’s', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a, b] = lab.pair(
      { namespace: left, addresses: [`${V4[0]}/24`, `${V6[0]}/64`] },
      { namespace: right, addresses: [`${V4[1]}/24`, `${V6[1]}/64`] },
    );
    lab.withoutOffloads(left, a);
    lab.withoutOffloads(right, b);
    await using host = await startAgent({ INTERFACES: a });
    const total = (): { packets: number; bytes: number } => {
      const now = lab.counters(left, a);
      return { packets: now.rxPackets + now.txPackets, bytes: now.rxBytes + now.txBytes };
    };
    const missed = await settledDifference(host.seen, total);

    for (const address of [V4[1], V6[1]]) {
      await lab.tcp(left, right, { address, port: 5001, sendBytes: 3e6, replyBytes: 1e6 });
      await lab.udp(left, right, { address, port: 5002, count: 2000, sizeBytes: 700 });
    }
    for (const address of [V4[0], V6[0]]) {
      await lab.udp(right, left, { address, port: 5003, count: 1000, sizeBytes: 64 });
    }

    await expect.poll(async () => difference(await host.seen(), total())).toEqual(missed);
    const udp = host.flows.filter((flow) => flow.Proto === 17 && flow.DstPort === 5002);
    const v4 = udp.filter((flow) => flow.DstAddr === V4[1]);
    expect(sum(v4, 'Packets')).toBe(2000);
    expect(sum(v4, 'Bytes')).toBe(2000 * (14 + 20 + 8 + 700));
    const v6 = udp.filter((flow) => flow.DstAddr === V6[1]);
    expect(sum(v6, 'Packets')).toBe(2000);
    expect(sum(v6, 'Bytes')).toBe(2000 * (14 + 40 + 8 + 700));
    const replies = host.flows.filter((flow) => flow.DstPort === 5003);
    expect(sum(replies, 'Packets')).toBe(2000);
    expect(new Set(replies.map((flow) => flow.FlowDirection))).toEqual(new Set([0]));
    expect(new Set(udp.map((flow) => flow.FlowDirection))).toEqual(new Set([1]));
    expect(new Set(host.flows.flatMap((flow) => flow.Interfaces))).toEqual(new Set([a]));
    // Flags of all packets of a flow: SYN, ACK and FIN-ACK one way, SYN-ACK the other.
    const flags = (port: 'SrcPort' | 'DstPort'): number =>
      host.flows
        .filter((flow) => flow.Proto === 6 && flow[port] === 5001)
        .reduce((all, flow) => all | (flow.Flags ?? 0), 0);
    expect(flags('DstPort') & 0x212).toBe(0x212);
    expect(flags('SrcPort') & 0x110).toBe(0x110);
    expect(host.accounting().unrecorded.map_full).toEqual({ packets: 0, bytes: 0 });
  });

  test('offloads on: packets are TCP segments, bytes are those on the wire', async () => {
    await using lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const [a] = lab.pair(
      { namespace: left, addresses: [`${V4[0]}/24`] },
      { namespace: right, addresses: [`${V4[1]}/24`] },
    );
    // A queue counts segments and their headers, which makes it a second, independent reference.
    lab.inside(left, 'tc', 'qdisc', 'add', 'dev', a, 'root', 'pfifo', 'limit', '10000');
    await using host = await startAgent({ INTERFACES: a, DIRECTION: 'egress' });
    // OutSegs excludes retransmissions.
    const segmentsSent = (): number => lab.tcpSegments(left);
    const before = {
      segments: segmentsSent(),
      queue: lab.queueCounters(left, a),
      link: lab.counters(left, a),
    };
    const missed = await settledDifference(host.seen, () => lab.queueCounters(left, a));

    const address = V4[1];
    await lab.tcp(left, right, { address, port: 5001, sendBytes: 50e6, replyBytes: 10e6 });

    const all = (): { packets: number; bytes: number } => lab.queueCounters(left, a);
    await expect.poll(async () => difference(await host.seen(), all())).toEqual(missed);
    const sent = host.flows.filter((flow) => flow.Proto === 6 && flow.SrcAddr === V4[0]);
    expect(sum(sent, 'Packets')).toBe(segmentsSent() - before.segments);
    // Packets of many segments must exist, or the test would show nothing.
    const buffers = lab.counters(left, a).txPackets - before.link.txPackets;
    expect(sum(sent, 'Packets')).toBeGreaterThan(buffers * 2);
  });
});

type Sums = { readonly packets: number; readonly bytes: number };

function difference(ours: Sums, theirs: Sums): Sums {
  return { packets: ours.packets - theirs.packets, bytes: ours.bytes - theirs.bytes };
}

/** Reads that may find packets under way. */
const READS_MAX = 100;

/** The interface's counters before the hooks came; read while no traffic flows. */
async function settledDifference(ours: () => Promise<Sums>, theirs: () => Sums): Promise<Sums> {
  for (let reads = 0; reads < READS_MAX; reads++) {
    const before = theirs();
    const seen = await ours();
    const after = theirs();
    if (before.packets === after.packets) return difference(seen, after);
  }
  throw new Error('the interface is never at rest');
}

function sum<Key extends string>(flows: readonly Record<Key, number>[], key: Key): number {
  return flows.reduce((total, flow) => total + flow[key], 0);
}
