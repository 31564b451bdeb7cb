import { octets, v4 } from '../../support/codec/netflow-bytes.ts';

/** A capture file, and the flows of the packets in it, for exporters that read such files. */

const FLOWS = 200;
const UDP = 17;

export interface Sent {
  readonly SrcAddr: string;
  readonly DstAddr: string;
  readonly SrcPort: number;
  readonly DstPort: number;
  readonly Proto: number;
  readonly Packets: number;
  readonly Bytes: number;
}

/** A flow, and for every fourth one an answer. Each differs from the others in every field. */
export const SENT: readonly Sent[] = Array.from({ length: FLOWS }, (_, index) => {
  const asked = { SrcAddr: `10.0.0.${index + 1}`, DstAddr: `10.1.0.${FLOWS - index}` };
  const ports = { SrcPort: 10_000 + index, DstPort: 30_000 - index, Proto: UDP };
  const packets = (index % 3) + 1;
  const flow = { ...asked, ...ports, Packets: packets, Bytes: packets * (28 + index) };
  if (index % 4 !== 0) return [flow];
  const answered = { SrcAddr: asked.DstAddr, DstAddr: asked.SrcAddr, Proto: UDP };
  const back = { SrcPort: ports.DstPort, DstPort: ports.SrcPort };
  return [flow, { ...answered, ...back, Packets: 2, Bytes: 2 * (300 + index) }];
})
  .flat()
  .sort((a, b) => a.SrcPort - b.SrcPort);

/** A packet of a flow with its headers: Ethernet, IPv4, UDP. */
function packet({ SrcAddr, DstAddr, SrcPort, DstPort, Bytes, Packets }: Sent): Buffer {
  const length = Bytes / Packets;
  return Buffer.concat([
    octets([6, 0x0200_0000_0001], [6, 0x0200_0000_0002], [2, 0x0800]),
    octets([1, 0x45], [1, 0], [2, length], [2, 0], [2, 0], [1, 64], [1, UDP], [2, 0]),
    ...[v4(SrcAddr), v4(DstAddr)],
    octets([2, SrcPort], [2, DstPort], [2, length - 20], [2, 0]),
    Buffer.alloc(length - 28),
  ]);
}

export function captureFile(): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20);
  const seconds = Math.floor(Date.now() / 1000) - 5;
  const records = SENT.flatMap((flow) =>
    Array.from({ length: flow.Packets }, () => {
      const frame = packet(flow);
      const head = Buffer.alloc(16);
      head.writeUInt32LE(seconds, 0);
      head.writeUInt32LE(frame.length, 8);
      head.writeUInt32LE(frame.length, 12);
      return Buffer.concat([head, frame]);
    }),
  );
  return Buffer.concat([header, ...records]);
}
