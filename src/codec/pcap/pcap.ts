import { frameBytes, originalBytes, type PacketBatch, writeFrame } from './packets.ts';

/**
 * The classic format (IETF draft-ietf-opsawg-pcap), little-endian, microseconds: packet collectors
 * write these records to a file after their own header.
 */
export const PCAP_RECORD_HEADER_BYTES = 16;

const NS_PER_US = 1000;

/** Bytes of a packet's record. */
export function pcapRecordBytes(batch: PacketBatch, row: number): number {
  return PCAP_RECORD_HEADER_BYTES + frameBytes(batch, row);
}

/** Writes a packet's record, and returns where it ends. */
export function writePcapRecord(
  batch: PacketBatch,
  row: number,
  into: Uint8Array,
  at: number,
): number {
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint32(at, batch.seconds[row]!, true);
  view.setUint32(at + 4, Math.floor(batch.nanoseconds[row]! / NS_PER_US), true);
  view.setUint32(at + 8, frameBytes(batch, row), true);
  view.setUint32(at + 12, originalBytes(batch, row), true);
  return writeFrame(batch, row, into, at + PCAP_RECORD_HEADER_BYTES);
}
