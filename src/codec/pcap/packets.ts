/** Where packets were captured. */
export interface CaptureInterface {
  readonly name: string;
  /** IANA's and libpcap's LINKTYPE_: 1 Ethernet, 101 bare IP. */
  readonly linkType: number;
}

export const LINK_ETHERNET = 1;
export const LINK_RAW_IP = 101;

/**
 * Packets as columns, `count` rows of them. Bytes are those of whoever filled the batch, and of use
 * until it is filled again.
 */
export interface PacketBatch {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Where in `bytes` each packet begins, and how many of its bytes are there. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** Bytes of the packet before it was cut. */
  readonly originals: Uint32Array;
  /** A VLAN tag that was taken out, EtherType high and TCI low; 0: none. */
  readonly tags: Uint32Array;
  /** Wall clock. */
  readonly seconds: Float64Array;
  readonly nanoseconds: Uint32Array;
  /** Into `interfaces`. */
  readonly places: Uint32Array;
  /** 0 coming in, 1 going out. */
  readonly directions: Uint8Array;
  /** All that have been met so far; it only grows. */
  readonly interfaces: readonly CaptureInterface[];
}

const MACS_BYTES = 12;
export const TAG_BYTES = 4;

/** The packet's bytes with its tag, where there is one to put back. */
export function frameBytes({ lengths, tags }: PacketBatch, row: number): number {
  return tagFits(lengths[row]!, tags[row]!) ? lengths[row]! + TAG_BYTES : lengths[row]!;
}

/** The same of the whole packet. */
export function originalBytes({ originals, tags }: PacketBatch, row: number): number {
  return tags[row] === 0 ? originals[row]! : originals[row]! + TAG_BYTES;
}

/** Copies the packet, its tag put back between addresses and EtherType; returns where it ends. */
export function writeFrame(batch: PacketBatch, row: number, into: Uint8Array, at: number): number {
  const { bytes, starts, lengths, tags } = batch;
  const start = starts[row]!;
  const length = lengths[row]!;
  const tag = tags[row]!;
  if (!tagFits(length, tag)) {
    into.set(bytes.subarray(start, start + length), at);
    return at + length;
  }
  into.set(bytes.subarray(start, start + MACS_BYTES), at);
  into[at + MACS_BYTES] = tag >>> 24;
  into[at + MACS_BYTES + 1] = tag >>> 16;
  into[at + MACS_BYTES + 2] = tag >>> 8;
  into[at + MACS_BYTES + 3] = tag;
  into.set(bytes.subarray(start + MACS_BYTES, start + length), at + MACS_BYTES + TAG_BYTES);
  return at + length + TAG_BYTES;
}

/** A packet that was cut before its tag's place goes without. */
function tagFits(length: number, tag: number): boolean {
  return tag !== 0 && length >= MACS_BYTES;
}
