/** Packets copied to the ring buffer: how much of them, how often, and how the rest is counted. */
import { afterEach, describe, expect, test } from 'vitest';
import { capturedPacket } from '../../../src/agent/drain/layout.gen.ts';
import type { BpfObject } from '../../../src/agent/loader/native.ts';
import { CAPTURE_BYTES_MAX } from '../../../src/agent/loader/object.ts';
import { requireRoot } from '../../support/require.ts';
import { loadDatapath, native, readStats } from './datapath.ts';
import { EtherType, ethernet, Flag, ipv4, Proto, tcp, udp } from './frames.ts';

const PROGRAM = 'test_capture_l2';
const EGRESS = 'test_capture_egress_l2';
const RING_BYTES = 1 << 20;
const RECORD_BYTES_MAX = capturedPacket.sizeBytes + CAPTURE_BYTES_MAX;
/** Ethernet, IPv4 and UDP. */
const OVERHEAD_BYTES = 42;

interface Captured {
  readonly length: number;
  readonly original: number;
  readonly wirePackets: number;
  readonly wireBytes: number;
  readonly timeNs: bigint;
  readonly frame: Buffer;
}

/** Bytes that differ from their neighbours. */
function frameOf(sizeBytes: number): Buffer {
  const payload = udp(sizeBytes - OVERHEAD_BYTES);
  for (let at = 8; at < payload.length; at++) payload[at] = (at * 31) & 0xff;
  return ethernet(EtherType.ipv4, ipv4(Proto.udp, payload));
}

describe.skipIf(requireRoot())('captured packets', () => {
  let datapath: BpfObject;
  afterEach(() => native.close(datapath));

  function load(bytes = CAPTURE_BYTES_MAX, ring = RING_BYTES, rules = 'port=53', wake = 2 ** 31) {
    const capture = { bytes, ring, wake };
    datapath = loadDatapath({ object: 'flows_test', programs: [PROGRAM, EGRESS], rules, capture });
  }

  function pass(frame: Buffer, tcIndex = 0, context = {}, program = PROGRAM): number {
    const run = native.testRun(datapath, { program, frame, tcIndex, ...context });
    expect(run.retval).toBe(-1);
    expect(Buffer.from(run.data).equals(frame)).toBe(true);
    return run.tcIndex;
  }

  function take(): Captured[] {
    const buffer = Buffer.alloc(2 * RING_BYTES);
    const used = native.readRing(datapath, 'captured', buffer, RECORD_BYTES_MAX);
    const packets: Captured[] = [];
    for (let at = 0; at < used; ) {
      const size = Number(buffer.readBigUInt64LE(at));
      const record = buffer.subarray(at + 8, at + 8 + size);
      const length = record.readUInt32LE(capturedPacket.length);
      const start = capturedPacket.sizeBytes;
      packets.push({
        length,
        original: record.readUInt32LE(capturedPacket.original),
        wirePackets: record.readUInt32LE(capturedPacket.wirePackets),
        wireBytes: record.readUInt32LE(capturedPacket.wireBytes),
        timeNs: record.readBigUInt64LE(capturedPacket.timeNs),
        frame: Buffer.from(record.subarray(start, start + length)),
      });
      at += 8 + size;
    }
    return packets;
  }

  // A test run accepts at most a page per packet, less the kernel's own data around it.
  test.each([64, 127, 128, 129, 255, 256, 257, 512, 513, 1024, 1025, 1514, 1536, 1537, 3000])(
    '%i bytes are all there',
    (size) => {
      load();
      const frame = frameOf(size);
      pass(frame);
      const [packet, ...others] = take();
      expect(others).toEqual([]);
      expect(packet).toMatchObject({ length: size, original: size, wirePackets: 1 });
      expect(packet!.frame.equals(frame)).toBe(true);
    },
  );

  test.each([14, 60, 128, 200, 1500])('no more than %i bytes are kept', (snap) => {
    load(snap);
    const frame = frameOf(1600);
    pass(frame);
    const [packet] = take();
    expect(packet).toMatchObject({ length: snap, original: 1600, wireBytes: 1600 });
    expect(packet!.frame.equals(frame.subarray(0, snap))).toBe(true);
  });

  test('a packet is copied at its first hook, and what is not wanted at none', () => {
    load();
    pass(frameOf(100), pass(frameOf(100)), {}, EGRESS);
    const other = ethernet(EtherType.ipv4, ipv4(Proto.udp, udp(20, 40000, 80)));
    pass(other, pass(other), {}, EGRESS);
    expect(take()).toHaveLength(1);
    expect(readStats(datapath).unmatched.packets).toBe(1);
  });

  test('packets of several segments are one record, and several on the wire', () => {
    load(CAPTURE_BYTES_MAX, RING_BYTES, 'port=443');
    const frame = ethernet(EtherType.ipv4, ipv4(Proto.tcp, tcp(Flag.ack, 2500)));
    pass(frame, 0, { gsoSize: 1000, gsoSegs: 3 });
    const [packet] = take();
    expect(packet).toMatchObject({ length: frame.length, wirePackets: 3 });
    expect(packet!.wireBytes).toBe(frame.length + 2 * 54);
  });

  test('times go up, in nanoseconds of the monotonic clock', () => {
    load();
    const before = process.hrtime.bigint();
    for (let i = 0; i < 100; i++) pass(frameOf(100));
    const after = process.hrtime.bigint();
    const times = take().map(({ timeNs }) => timeNs);
    expect(times).toHaveLength(100);
    expect([before, ...times, after]).toEqual(
      [before, ...times, after].sort((one, other) => (one < other ? -1 : 1)),
    );
    expect(new Set(times).size).toBeGreaterThan(90);
  });

  test('a full ring: what finds no room is counted, and the rest is there', () => {
    load(CAPTURE_BYTES_MAX, 1 << 16);
    const frame = frameOf(1000);
    for (let i = 0; i < 100; i++) pass(frame);
    const packets = take();
    const { captureFull } = readStats(datapath);
    expect(packets.length).toBeGreaterThan(50);
    expect(packets.length).toBeLessThan(100);
    expect(packets.every((packet) => packet.frame.equals(frame))).toBe(true);
    const lost = 100 - packets.length;
    expect(captureFull).toEqual({ packets: lost, bytes: lost * frame.length });
    // Room again.
    pass(frame);
    expect(take()).toHaveLength(1);
  });

  test('the reader is woken when the ring fills to its share, once until it has heard', () => {
    load(CAPTURE_BYTES_MAX, RING_BYTES, 'port=53', 20_000);
    const woken = (): number => {
      const buffer = Buffer.alloc(4096);
      return native.readRing(datapath, 'wake', buffer, 8) / 16;
    };
    // Records of 1072 bytes with the kernel's own head.
    for (let i = 0; i < 18; i++) pass(frameOf(1000));
    expect(woken()).toBe(0);
    for (let i = 0; i < 40; i++) pass(frameOf(1000));
    expect(woken()).toBe(1);
    pass(frameOf(1000));
    expect(woken()).toBe(1);
    expect(take()).toHaveLength(59);
    for (let i = 0; i < 20; i++) pass(frameOf(1000));
    expect(woken()).toBe(1);
  });

  test('without rules nothing is captured', () => {
    load(CAPTURE_BYTES_MAX, RING_BYTES, '[]');
    pass(frameOf(100));
    expect(take()).toEqual([]);
  });
});
