/** The interface on which packets were captured. */
export interface CaptureInterface {
  readonly name: string;
  /** LINKTYPE_ of IANA and libpcap: 1 Ethernet, 101 bare IP. */
  readonly linkType: number;
}

export const LINK_ETHERNET = 1;
export const LINK_RAW_IP = 101;

/**
 * Packets as columns of `count` rows. The bytes belong to the owner of the batch, and are valid
 * until it is filled again.
 */
export interface PacketBatch {
  readonly count: number;
  readonly bytes: Uint8Array;
  /** Start of each packet in `bytes`, and the number of its captured bytes. */
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  /** Bytes of the packet before it was cut. */
  readonly originals: Uint32Array;
  /** A VLAN tag that was removed, EtherType high and TCI low; 0: none. */
  readonly tags: Uint32Array;
  /** Wall clock. */
  readonly seconds: Float64Array;
  readonly nanoseconds: Uint32Array;
  /** Indices into `interfaces`. */
  readonly places: Uint32Array;
  /** 0: ingress, 1: egress. */
  readonly directions: Uint8Array;
  /** All interfaces seen so far; the list only grows. */
  readonly interfaces: readonly CaptureInterface[];
}

const MACS_BYTES = 12;
export const TAG_BYTES = 4;

/** Bytes of the packet, including a tag that is put back. */
export function frameBytes({ lengths, tags }: PacketBatch, row: number): number {
  return tagFits(lengths[row]!, tags[row]!) ? lengths[row]! + TAG_BYTES : lengths[row]!;
}

/** The same for the packet before it was cut. */
export function originalBytes({ originals, tags }: PacketBatch, row: number): number {
  return tags[row] === 0 ? originals[row]! : originals[row]! + TAG_BYTES;
}

/** Copies the packet, with its tag put back before the EtherType; returns where it ends. */
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

/** A packet that was cut before the place of its tag is written without it. */
function tagFits(length: number, tag: number): boolean {
  return tag !== 0 && length >= MACS_BYTES;
}
