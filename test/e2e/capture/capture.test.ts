/** Captures of real traffic, compared with tcpdump's on the same interface. */
import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  describeByTcpdump,
  readPcap,
  readPcapng,
  Tcpdump,
  throughTcpdump,
} from '../../support/codec/pcap-file.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { PacketCollector } from '../../support/net/packet-collector.ts';
import { type CaptureHost, startCapture } from '../../support/processes/capture-host.ts';
import { requireRoot } from '../../support/require.ts';

const PORT = 7001;
const INBOUND = 1;
const OUTBOUND = 2;
/** Time between two programs that see the same packet, and the reading of the clock. */
const TOLERANCE_US = 20_000;

/** Equal for equal frames, and shorter to print. */
const digest = ({ frame }: { frame: Buffer }): string => `${frame.length} ${hash('sha1', frame)}`;

describe.skipIf(requireRoot())('packet capture', () => {
  let lab: Lab;
  let wire: LabPair;
  let host: CaptureHost | undefined;
  let client: string;
  let server: string;

  beforeEach(() => {
    lab = new Lab();
    client = lab.namespace('client');
    server = lab.namespace('server');
    wire = new LabPair(lab, client, server);
    wire.giveAddresses('10.88.0');
  });
  afterEach(async () => {
    await host?.[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<CaptureHost> {
    const rules = `port=${PORT}`;
    host = await startCapture({ INTERFACES: wire.a, FLOW_FILTER_RULES: rules, ...env });
    return host;
  }

  const udp = (sizeBytes: number, address = wire.v4[1], port = PORT): Promise<number> =>
    lab.udp(client, server, { address, port, count: 20, sizeBytes });
  const tcp = (sendBytes: number): Promise<void> =>
    lab.tcp(client, server, { address: wire.v4[1], port: PORT, sendBytes, replyBytes: 10_000 });

  test('the same packets, byte by byte, at the same times as tcpdump', async () => {
    await start();
    lab.address(client, wire.a, 'fd00:88::1/64');
    lab.address(server, wire.b, 'fd00:88::2/64');
    const dump = await Tcpdump.start(client, wire.a, `port ${PORT}`);
    for (const size of [1, 100, 500, 1000, 1472]) await udp(size);
    await udp(700, 'fd00:88::2');
    await udp(100, wire.v4[1], PORT + 1);
    await tcp(3_000_000);

    const ours = throughTcpdump(await host!.stop());
    const theirs = await dump.stop(ours.length);

    expect(theirs.length).toBeGreaterThan(150);
    expect(ours.map(digest).sort()).toEqual(theirs.map(digest).sort());
    expect(ours.map(({ original }) => original).sort()).toEqual(
      theirs.map(({ original }) => original).sort(),
    );
    // Packets of several segments, whole.
    expect(Math.max(...ours.map(({ frame }) => frame.length))).toBeGreaterThan(20_000);
    const times = new Map(theirs.map((packet) => [digest(packet), packet.timeUs]));
    const apart = ours.map((packet) => Math.abs(packet.timeUs - times.get(digest(packet))!));
    // Some bytes occur twice: all but a few have a unique time to compare with.
    expect(apart.filter((us) => us > TOLERANCE_US).length).toBeLessThan(5);
    expect(ours).toEqual([...ours].sort((one, other) => one.timeUs - other.timeUs));
  });

  test('directions, interfaces and lengths are told', async () => {
    await start({ PCA_SNAP_LENGTH: '60' });
    await udp(1000);
    await tcp(1);
    const file = await host!.stop();

    const packets = throughTcpdump(file);
    expect(packets.every(({ frame }) => frame.length <= 60)).toBe(true);
    expect(packets.filter(({ original }) => original === 1042)).toHaveLength(20);
    const { interfaces, packets: own } = readPcapng(file);
    const one = { name: wire.a, linkType: 1, snapLength: 64, received: packets.length, dropped: 0 };
    expect(interfaces).toEqual([one]);
    // By the last byte of the sender's address.
    const from = (last: number, direction: number): number =>
      own.filter((packet) => packet.frame[29] === last && packet.direction === direction).length;
    expect([from(1, INBOUND), from(2, OUTBOUND)]).toEqual([0, 0]);
    expect(from(1, OUTBOUND) + from(2, INBOUND)).toBe(packets.length);
    expect(from(2, INBOUND)).toBeGreaterThan(0);
  });

  test('both ends of a wire watched: each packet once', async () => {
    await start({ INTERFACES: `${wire.a},${wire.b}` });
    await udp(300);
    const packets = throughTcpdump(await host!.stop());
    expect(packets).toHaveLength(20);
  });

  test.each([
    ['[]', { filteredPackets: 0 }],
    ['port=9', { filteredPackets: 20 }],
  ])('rules %s capture nothing', async (rules, books) => {
    await start({ FLOW_FILTER_RULES: rules });
    await udp(300);
    await host!.agent.stop();
    expect(host!.agent.status().accounting).toMatchObject({ recordedPackets: 0, ...books });
    expect(throughTcpdump(await host!.stop())).toEqual([]);
  });

  test('books: all that the interface counted is captured, filtered, or sampled out', async () => {
    const before = wire.counted();
    await start({ FLOW_FILTER_RULES: `port=${PORT} sample=2; port=${PORT + 1}` });
    for (const port of [PORT, PORT + 1, PORT + 2]) await udp(200, wire.v4[1], port);
    await host!.agent.stop();
    const after = wire.counted();

    const books = host!.agent.status().accounting!;
    const seen = books.recordedPackets + books.filteredPackets + books.sampledOutPackets;
    const notIp = books.unrecorded.not_ip!.packets;
    expect(seen + notIp).toBe(after.packets - before.packets);
    const packets = throughTcpdump(await host!.stop());
    expect(packets).toHaveLength(books.recordedPackets);
    expect(books.filteredPackets).toBe(20);
  });

  test.each([
    ['1', 20],
    ['7', 5],
  ])('a collector of packets, %s in a message', async (packetsMax, messagesMin) => {
    const collector = new PacketCollector();
    await collector.start();
    try {
      await start({
        EXPORT: 'grpc',
        TARGET_HOST: '127.0.0.1',
        TARGET_PORT: `${collector.port}`,
        PCA_MESSAGE_MAX_PACKETS: packetsMax,
      });
      const dump = await Tcpdump.start(client, wire.a, `port ${PORT}`);
      await udp(400);
      await tcp(200_000);
      await host!.stop();

      const ours = readPcap(collector.file());
      const theirs = await dump.stop(ours.length);
      expect(ours.map(digest).sort()).toEqual(theirs.map(digest).sort());
      expect(describeByTcpdump(collector.file())).toHaveLength(theirs.length);
      expect([...collector.typeUrls]).toEqual(['']);
      expect(collector.values.length).toBeGreaterThan(messagesMin);
      if (packetsMax === '1') expect(collector.values).toHaveLength(theirs.length);
      else expect(collector.values.length).toBeLessThan(theirs.length);
    } finally {
      collector.stop();
    }
  });
});
