import type { CaptureInterface, PacketBatch } from '../../../src/codec/pcap/packets.ts';

/** A packet as a test writes it. */
export interface TestPacket {
  readonly frame: Uint8Array;
  readonly original?: number;
  readonly seconds?: number;
  readonly nanoseconds?: number;
  readonly place?: number;
  readonly egress?: boolean;
  /** EtherType high, TCI low. */
  readonly tag?: number;
}

const ETHERNET: readonly CaptureInterface[] = [{ name: 'eth0', linkType: 1 }];

export function packetBatch(
  packets: readonly TestPacket[],
  interfaces: readonly CaptureInterface[] = ETHERNET,
): PacketBatch {
  const starts: number[] = [];
  let length = 0;
  for (const { frame } of packets) {
    // At any offset, as in a ring buffer.
    starts.push(length + 3);
    length += frame.length + 3;
  }
  const bytes = new Uint8Array(length);
  for (const [row, { frame }] of packets.entries()) bytes.set(frame, starts[row]);
  return {
    count: packets.length,
    bytes,
    starts: Uint32Array.from(starts),
    lengths: Uint32Array.from(packets, ({ frame }) => frame.length),
    originals: Uint32Array.from(packets, ({ frame, original }) => original ?? frame.length),
    tags: Uint32Array.from(packets, ({ tag }) => tag ?? 0),
    seconds: Float64Array.from(packets, ({ seconds }) => seconds ?? 0),
    nanoseconds: Uint32Array.from(packets, ({ nanoseconds }) => nanoseconds ?? 0),
    places: Uint32Array.from(packets, ({ place }) => place ?? 0),
    directions: Uint8Array.from(packets, ({ egress }) => (egress === true ? 1 : 0)),
    interfaces,
  };
}
