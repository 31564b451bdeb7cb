import { uintBytes, writeUint } from '../varint.ts';
import type { PacketBatch } from './packets.ts';
import { pcapRecordBytes, writePcapRecord } from './pcap.ts';

/** Field 1 of `Packet`, `pcap`, and field 2 of `google.protobuf.Any`, `value`: length-delimited. */
const PCAP_TAG = 0x0a;
const VALUE_TAG = 0x12;

/**
 * `Packet` of pbpacket in `netobserv-ebpf-agent`: the records of the rows from `from` to `to`, one
 * after the other. The type URL is empty, as in that agent.
 */
export function encodePacketMessage(batch: PacketBatch, from: number, to: number): Uint8Array {
  let valueBytes = 0;
  for (let row = from; row < to; row++) valueBytes += pcapRecordBytes(batch, row);
  const anyBytes = 1 + uintBytes(valueBytes) + valueBytes;
  const message = new Uint8Array(1 + uintBytes(anyBytes) + anyBytes);
  message[0] = PCAP_TAG;
  let at = writeUint(message, 1, anyBytes);
  message[at] = VALUE_TAG;
  at = writeUint(message, at + 1, valueBytes);
  for (let row = from; row < to; row++) at = writePcapRecord(batch, row, message, at);
  return message;
}
