import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodePacketMessage } from '../../../../src/codec/pcap/pbpacket.ts';
import { PcapngWriter } from '../../../../src/codec/pcap/pcapng.ts';
import { packetBatch } from '../../../support/codec/packet-batch.ts';
import {
  type PcapngFile,
  readPcap,
  readPcapng,
  throughTcpdump,
} from '../../../support/codec/pcap-file.ts';
import { decodePacket } from '../../../support/net/packet-collector.ts';

const INTERFACES = [
  { name: 'eth0', linkType: 1 },
  { name: 'tun0', linkType: 101 },
];

const packets = fc.record({
  frame: fc.uint8Array({ minLength: 14, maxLength: 200 }),
  extra: fc.nat(70_000),
  // More seconds than 32 bits hold.
  seconds: fc.integer({ min: 0, max: 2 ** 33 }),
  nanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  place: fc.nat(1),
  egress: fc.boolean(),
  tag: fc.constantFrom(0, 0, 0x81000007, 0x88a8ffff),
});

/** The frame with its tag put back in the place where the device removed it. */
function withTag(frame: Uint8Array, tag: number): Buffer {
  if (tag === 0) return Buffer.from(frame);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(tag);
  return Buffer.concat([frame.subarray(0, 12), bytes, frame.subarray(12)]);
}

function fileOf(write: (writer: PcapngWriter) => void): PcapngFile {
  const writer = new PcapngWriter(1000);
  writer.writeHeader('test');
  write(writer);
  return readPcapng(Buffer.from(writer.bytes()));
}

test('pcapng: what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(packets, { maxLength: 20 }), (list) => {
      const rows = list.map(({ extra, ...packet }) => ({
        ...packet,
        original: packet.frame.length + extra,
      }));
      const file = fileOf((writer) => writer.writePackets(packetBatch(rows, INTERFACES)));
      expect(file.interfaces.map(({ name, linkType }) => ({ name, linkType }))).toEqual(INTERFACES);
      expect(file.packets).toEqual(
        rows.map((row) => ({
          place: row.place,
          timeNs: BigInt(row.seconds) * 1_000_000_000n + BigInt(row.nanoseconds),
          original: row.original + (row.tag === 0 ? 0 : 4),
          direction: row.egress ? 2 : 1,
          frame: withTag(row.frame, row.tag),
        })),
      );
    }),
  );
});

test('pcapng: interfaces are told once, before their first packet, and counted at the end', () => {
  const frame = new Uint8Array(60);
  const file = fileOf((writer) => {
    writer.writePackets(packetBatch([{ frame }], INTERFACES.slice(0, 1)));
    writer.writePackets(packetBatch([{ frame, place: 1 }, { frame }], INTERFACES));
    writer.writeStatistics(1_700_000_000_123, { packets: 2 ** 40 });
  });
  expect(file.application).toBe('test');
  expect(file.interfaces).toEqual([
    { name: 'eth0', linkType: 1, snapLength: 1004, received: 2, dropped: 2 ** 40 },
    { name: 'tun0', linkType: 101, snapLength: 1004, received: 1, dropped: undefined },
  ]);
});

test('pcapng: what is taken back has never been', () => {
  const frame = new Uint8Array(60);
  const writer = new PcapngWriter(1000);
  writer.writeHeader('test');
  const parts = [Buffer.from(writer.bytes())];
  writer.clear();
  writer.writePackets(packetBatch([{ frame }], INTERFACES));
  writer.takeBack();
  writer.writePackets(packetBatch([{ frame }], INTERFACES));
  writer.writeStatistics(0, { packets: 1 });
  parts.push(Buffer.from(writer.bytes()));
  const file = readPcapng(Buffer.concat(parts));
  expect(file.packets).toHaveLength(1);
  expect(file.interfaces.map(({ received }) => received)).toEqual([1, 0]);
});

test('pcapng: a capture without packets has an interface all the same', () => {
  const file = fileOf((writer) => writer.writeStatistics(0, { packets: 0 }));
  expect(file.interfaces).toMatchObject([{ name: 'none', received: 0, dropped: 0 }]);
});

test('pcapng: tcpdump takes a packet that was cut and has its tag put back', () => {
  const snapLength = 100;
  const frame = new Uint8Array(snapLength).fill(0x55);
  frame.set([0x08, 0x00], 12);
  const writer = new PcapngWriter(snapLength);
  writer.writeHeader('test');
  writer.writePackets(packetBatch([{ frame, original: 1500, tag: 0x81000007 }]));
  expect(throughTcpdump(writer.bytes())).toMatchObject([
    { frame: withTag(frame, 0x81000007), original: 1504 },
  ]);
});

const FILE_HEADER = Buffer.alloc(24);
FILE_HEADER.writeUInt32LE(0xa1b2c3d4);

test('pbpacket: records of the rows, one after the other, and no type', () => {
  const list = fc.array(packets, { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(list, fc.nat(), (rows, cut) => {
      const batch = packetBatch(rows.map((row) => ({ ...row, seconds: row.seconds % 2 ** 32 })));
      const from = cut % rows.length;
      const { typeUrl, value } = decodePacket(encodePacketMessage(batch, from, rows.length));
      expect(typeUrl).toBe('');
      expect(readPcap(Buffer.concat([FILE_HEADER, value]))).toEqual(
        rows.slice(from).map(({ frame, seconds, nanoseconds, tag }) => ({
          timeUs: (seconds % 2 ** 32) * 1e6 + Math.floor(nanoseconds / 1000),
          original: frame.length + (tag === 0 ? 0 : 4),
          frame: withTag(frame, tag),
        })),
      );
    }),
  );
});

test('a packet that was cut before the place of its tag goes without', () => {
  const frame = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const batch = packetBatch([{ frame, tag: 0x81000001, original: 100 }]);
  const file = fileOf((writer) => writer.writePackets(batch));
  expect(file.packets).toMatchObject([{ original: 104, frame: Buffer.from(frame) }]);
});
