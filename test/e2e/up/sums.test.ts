import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { freePort } from '../../support/processes/program.ts';
import { type Sums, startUp, sumOf, sumsOf, type UpHost } from '../../support/processes/up-host.ts';
import { requireRoot } from '../../support/require.ts';
import { EtherType, ethernet, ipv4, Proto, udp, vlanTag } from '../datapath/frames.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const START_TIMEOUT_MS = 60_000;

const V4_HEADERS_BYTES = 14 + 20 + 8;
const SWEPT_FRAME_BYTES = 64;
const SWEPT = 'DstAddr="203.0.113.1"';

describe.skipIf(requireRoot())('what the console shows is what the kernel counted', () => {
  let lab: Lab;
  let up: UpHost;
  let metricsPort: number;
  let left: string;
  let right: string;

  beforeAll(async () => {
    lab = new Lab();
    left = lab.namespace('left');
    right = lab.namespace('right');
    metricsPort = await freePort();
    const metrics = ['--metrics-enable', '--metrics-server-address', '127.0.0.1'];
    up = await startUp([
      ...['--interfaces', ONLY_TESTS, '--cache-active-timeout', '200ms'],
      ...['--cache-max-flows', '20000', ...metrics, '--metrics-server-port', `${metricsPort}`],
    ]);
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await up?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, START_TIMEOUT_MS);

  /** Two interfaces that the program has found; they have had no traffic yet. */
  async function watchedPair(): Promise<LabPair> {
    const pair = new LabPair(lab, left, right);
    await expect.poll(() => watched(), SOON).toEqual(expect.arrayContaining([pair.a, pair.b]));
    expect(pair.counted()).toEqual({ packets: 0, bytes: 0 });
    return pair;
  }

  async function watched(): Promise<string[]> {
    return (await up.status()).agent.interfaces.map(({ name }) => name);
  }

  test('TCP and UDP, both families and ways, offloads off: the interface’s counters', async () => {
    const pair = await watchedPair();
    lab.withoutOffloads(left, pair.a);
    lab.withoutOffloads(right, pair.b);
    pair.giveAddresses('10.101.0', 'fd00:101:');
    for (const [address, back] of [pair.v4, pair.v6].map(([near, far]) => [far, near] as const)) {
      await lab.tcp(left, right, { address, port: 5001, sendBytes: 1e6, replyBytes: 5e5 });
      await lab.udp(left, right, { address, port: 5002, count: 1000, sizeBytes: 700 });
      await lab.udp(right, left, { address: back, port: 5003, count: 500, sizeBytes: 64 });
    }

    const filters = `Interfaces="${pair.a}"`;
    await expect
      .poll(async () => difference(sumsOf(await up.rows(filters)), pair.counted()), SOON)
      .toEqual({ packets: 0, bytes: 0 });
    // By the store's own sums, and at the other end of the wire. One end may have been watched
    // earlier, and have seen the other one join its multicast groups.
    const all = await up.rows(`Interfaces="${pair.b}"&Proto=6,17`);
    expect(sumsOf(all)).toEqual(await up.sums(`${filters}&Proto=6,17`));
    for (const [port, family, packets, bytes] of [
      [5002, 0x0800, 1000, 1000 * (V4_HEADERS_BYTES + 700)],
      [5002, 0x86dd, 1000, 1000 * (V4_HEADERS_BYTES + 20 + 700)],
      [5003, 0x0800, 500, 500 * (V4_HEADERS_BYTES + 64)],
      [5003, 0x86dd, 500, 500 * (V4_HEADERS_BYTES + 20 + 64)],
    ] as const) {
      const rows = all.filter((row) => row.DstPort === port && row.Etype === family);
      expect([port, family, sumsOf(rows)]).toEqual([port, family, { packets, bytes }]);
    }
  });

  test('TCP with offloads on: the sender’s segments, and the bytes on the wire', async () => {
    const pair = await watchedPair();
    // A queue counts segments with their headers: an independent reference.
    lab.inside(left, 'tc', 'qdisc', 'add', 'dev', pair.a, 'root', 'pfifo', 'limit', '10000');
    pair.giveAddresses('10.102.0');
    const segments = (): number => lab.tcpSegments(left);
    const before = segments();
    const [near, address] = pair.v4;

    await lab.tcp(left, right, { address, port: 5011, sendBytes: 30e6, replyBytes: 5e6 });

    const wire = (): Sums => lab.queueCounters(left, pair.a);
    const filters = `SrcAddr="${near}"&DstPort=5011`;
    await expect
      .poll(async () => difference(await up.sums(filters), wire()), SOON)
      .toEqual({ packets: 0, bytes: 0 });
    expect(wire().packets).toBe(segments() - before);
    // Packets of many segments must exist, or the test would show nothing.
    expect(wire().packets).toBeGreaterThan(lab.counters(left, pair.a).txPackets * 2);
  });

  test('tagged frames, behind one tag or two', async () => {
    const pair = await watchedPair();
    const frames = (port: number, count: number, wrap: (packet: Buffer) => Buffer): Buffer[] =>
      Array.from({ length: count }, () => wrap(ipv4(Proto.udp, udp(20, 40000, port))));
    const inner = (packet: Buffer): Buffer => vlanTag(7, EtherType.ipv4, packet);
    const outer = (packet: Buffer): Buffer => vlanTag(100, EtherType.vlan, inner(packet));
    await lab.frames(left, pair.a, [
      ...frames(5021, 50, (packet) => ethernet(EtherType.ipv4, packet)),
      ...frames(5022, 60, (packet) => ethernet(EtherType.vlan, inner(packet))),
      ...frames(5023, 70, (packet) => ethernet(EtherType.qinq, outer(packet))),
    ]);

    const filters = `Interfaces="${pair.a}"`;
    await expect.poll(async () => sumOf(await up.rows(filters), 'Packets'), SOON).toBe(180);
    const rows = await up.rows(filters);
    expect(sumsOf(rows)).toEqual(pair.counted());
    for (const [port, packets, tags, vlan] of [
      [5021, 50, 0, undefined],
      [5022, 60, 1, 7],
      [5023, 70, 2, 100],
    ] as const) {
      const own = rows.filter((row) => row.DstPort === port);
      const bytes = packets * (V4_HEADERS_BYTES + 20 + tags * 4);
      expect(sumsOf(own)).toEqual({ packets, bytes });
      expect(own.map((row) => row.VlanId)).toEqual(own.map(() => vlan));
    }
  });

  test('fragments belong to the flow of their first one', async () => {
    const pair = await watchedPair();
    pair.giveAddresses('10.103.0', 'fd00:103:');
    const datagrams = 100;
    for (const [, address] of [pair.v4, pair.v6]) {
      // Until neighbours are resolved, datagrams are dropped before they are sent.
      await lab.tcp(left, right, { address, port: 5032, sendBytes: 1, replyBytes: 1 });
      const traffic = { address, port: 5031, count: datagrams, sizeBytes: 4000 };
      await lab.udp(left, right, traffic);
    }

    // 4008 bytes in three pieces; for IPv6, each piece has eight more bytes of headers.
    const wanted = [
      { packets: datagrams * 3, bytes: datagrams * (4008 + 3 * 34) },
      { packets: datagrams * 3, bytes: datagrams * (4008 + 3 * (54 + 8)) },
    ];
    const sums = (): Promise<Sums[]> =>
      Promise.all([pair.v4, pair.v6].map(([, to]) => up.sums(`DstAddr="${to}"&DstPort=5031`)));
    await expect.poll(sums, SOON).toEqual(wanted);
  });

  test('ten thousand flows are ten thousand rows, and as many in the metrics', async () => {
    const pair = await watchedPair();
    const flows = 10_000;

    await lab.sweep(left, pair.a, { flows, perSecond: 50_000 });

    await expect.poll(async () => (await up.sums(SWEPT)).packets, SOON).toBe(flows);
    const rows = await up.rows(SWEPT);
    expect(new Set(rows.map(({ SrcPort }) => SrcPort)).size).toBe(flows);
    expect(sumsOf(rows)).toEqual({ packets: flows, bytes: flows * SWEPT_FRAME_BYTES });
    expect(pair.counted()).toEqual(sumsOf(rows));
    // The pipeline hands a batch to its branches one after the other.
    for (const url of [up.url, `http://127.0.0.1:${metricsPort}`]) {
      await expect.poll(() => sweptByMetrics(url), SOON).toEqual(sumsOf(rows));
    }
  });

  test('all rows, the accounting and the branches agree', async () => {
    // Neighbour discovery goes on in the background.
    await expect
      .poll(async () => {
        const { recordedPackets, recordedBytes } = (await up.status()).agent.accounting!;
        return difference(await up.sums(), { packets: recordedPackets, bytes: recordedBytes });
      }, SOON)
      .toEqual({ packets: 0, bytes: 0 });
    const { agent, branches } = await up.status();
    expect(agent.accounting?.unrecorded.map_full).toEqual({ packets: 0, bytes: 0 });
    expect(branches.map(({ name }) => name).sort()).toEqual(['prometheus', 'store']);
    for (const branch of branches) {
      expect(branch.written + branch.filtered + branch.inFlight).toBe(branch.in);
    }
  });
});

function difference(ours: Sums, theirs: Sums): Sums {
  return { packets: ours.packets - theirs.packets, bytes: ours.bytes - theirs.bytes };
}

/** The traffic of `traffic sweep` by the metrics made from flows: no other traffic goes there. */
async function sweptByMetrics(url: string): Promise<Sums> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.includes('DstSubnetLabel="documentation"'));
  const total = (unit: string): number =>
    lines
      .filter((line) => new RegExp(`^netobserv_node_(in|e)gress_${unit}_total{`).test(line))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  return { packets: total('packets'), bytes: total('bytes') };
}
