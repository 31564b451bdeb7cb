import { expect, test } from 'vitest';
import { PacketReader } from '../../../../src/agent/capture/reader.ts';
import { capturedPacket } from '../../../../src/agent/drain/layout.gen.ts';
import { macPreferences } from '../../../../src/agent/interfaces/mac-preference.ts';
import { InterfaceNames, type NamesOptions } from '../../../../src/agent/interfaces/names.ts';
import type { BpfObject } from '../../../../src/agent/loader/native.ts';
import { parseMac } from '../../../../src/base/ip.ts';
import { FakeKernel } from '../../../support/kernel/fake-kernel.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const OTHER = '0a:58:0a:01:02:03';

interface Packet {
  readonly netns?: number;
  readonly index: number;
  readonly egress?: boolean;
  /** Without MACs the packet has no link layer. */
  readonly macs?: readonly [destination: string, source: string];
  /** Captured bytes of the frame. */
  readonly length?: number;
}

function recordOf({ netns = 0, index, egress = false, macs, length = 60 }: Packet): Buffer {
  const bytes = Buffer.alloc(8 + capturedPacket.sizeBytes + 64);
  bytes.writeUInt32LE(bytes.length - 8);
  const head = bytes.subarray(8);
  head.writeUInt32LE(length, capturedPacket.length);
  head.writeUInt32LE(netns, capturedPacket.netns);
  head.writeUInt32LE(index, capturedPacket.ifindex);
  head[capturedPacket.egress] = egress ? 1 : 0;
  head[capturedPacket.hasL2] = macs === undefined ? 0 : 1;
  for (const [at, mac] of (macs ?? []).entries()) {
    head.set(parseMac(mac)!.subarray(0, 6), capturedPacket.sizeBytes + 6 * at);
  }
  return bytes;
}

function setup(options: NamesOptions) {
  const kernel = new FakeKernel();
  const clock = new ManualClock();
  const names = new InterfaceNames(options);
  const reader = new PacketReader({
    native: kernel,
    object: {} as BpfObject,
    names,
    clock,
    kernelMonotonicMs: () => clock.monotonicMs(),
  });
  /** Name of each packet's interface, and the number of interfaces so far. */
  const read = (...packets: readonly Packet[]): { places: string[]; known: number } => {
    const rings = [Buffer.concat(packets.map(recordOf))];
    kernel.readRing = (_object, _map, into) => {
      const ring = rings.pop() ?? Buffer.alloc(0);
      into.set(ring);
      return ring.length;
    };
    let known = 0;
    const places: string[] = [];
    reader.read((batch) => {
      for (let row = 0; row < batch.count; row++) {
        places.push(batch.interfaces[batch.places[row]!]!.name);
      }
      known = batch.interfaces.length;
    });
    return { places, known };
  };
  return { names, read };
}

test('where hooks do not tell their namespace, an interface is told by its end of the frame', () => {
  const preferences = macPreferences(['0a:58=net1']);
  const { names, read } = setup({ exact: false, preferences });
  names.set(4026531840, 2, 'eth0', A);
  names.set(4026532000, 2, 'net1', B);
  names.set(4026531840, 3, 'tun0');
  const { places } = read(
    { index: 2, macs: [A, B] },
    { index: 2, macs: [B, A] },
    { index: 2, egress: true, macs: [A, B] },
    { index: 2, macs: [OTHER, A] },
    // Too short to have its addresses: any interface.
    { index: 2, macs: [B, A], length: 4 },
    { index: 3 },
    { index: 9, macs: [A, B] },
  );
  expect(places).toEqual(['eth0', 'net1', 'net1', 'net1', 'eth0', 'tun0', 'unknown']);
});

test('an interface is called what it is called now', () => {
  const { names, read } = setup({ exact: true, preferences: [] });
  const packet = { netns: 1, index: 2, macs: [A, B] } as const;
  expect(read(packet).places).toEqual(['unknown']);
  names.set(1, 2, 'eth0', A);
  expect(read(packet, { ...packet, netns: 7 }).places).toEqual(['eth0', 'unknown']);
  names.set(1, 2, 'wan', A);
  expect(read(packet).places).toEqual(['wan']);
});

test('interfaces of one name and kind are one, and of two kinds two', () => {
  const { names, read } = setup({ exact: true, preferences: [] });
  for (const index of [2, 3]) names.set(1, index, 'eth0');
  const bare = { netns: 1, index: 3 };
  const known = read({ ...bare, index: 2, macs: [A, B] }, { ...bare, macs: [A, B] }, bare).known;
  expect(known).toBe(2);
});

test('of more interfaces than can be told apart the rest are unknown', () => {
  const { names, read } = setup({ exact: true, preferences: [] });
  const see = (name: string) => {
    names.set(1, 2, name);
    return read({ netns: 1, index: 2 });
  };
  for (let at = 0; at < 65_536; at++) see(`veth${at}`);
  expect(see('one more')).toEqual({ places: ['unknown'], known: 65_537 });
  expect(see('another')).toEqual({ places: ['unknown'], known: 65_537 });
  expect(see('veth9').places).toEqual(['veth9']);
});
