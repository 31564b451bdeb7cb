import type { ListColumn } from '../../flow/batch.ts';
import { TcpFlag } from '../../flow/enums.ts';
import { type AddressTable, type MacTable, MISSING } from '../../flow/intern.ts';

/**
 * Each element of all records of a run is written in up to three loops: one gathers the values of
 * the rows, one converts them to the element's form, one writes them at each record's cursor. Only
 * the first loop handles rows, and only the last handles records; in between are plain numbers.
 *
 * A missing value is written as zero or as an empty text: a record has every element of its
 * template.
 */
export interface Records {
  readonly bytes: Uint8Array;
  /** Next position of each record; moved behind the bytes written. */
  readonly cursors: Uint32Array;
  /** Row of the batch of each record. */
  readonly rows: Uint32Array;
  /** The records `[from, to)` are written. */
  readonly from: number;
  readonly to: number;
}

/** Records of a run: few enough that the gathered values stay in the first-level cache. */
export const RUN_RECORDS = 512;

const WORD = 2 ** 32;

/** The value of each record of the run; 0 for rows without one. */
export function gather(
  { rows, from, to }: Records,
  values: Uint8Array | Uint16Array | Uint32Array | Float64Array,
  present: Uint32Array,
  into: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    into[i - from] = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
  }
}

/** Direction of an interface that the flow went through both ways. */
const BOTH_WAYS = 3;

/** IANA defines in (0) and out (1); a flow in both directions gets that of its first packet. */
export function gatherDirections(
  { rows, from, to }: Records,
  { offsets, values }: ListColumn,
  flow: Uint8Array | undefined,
  into: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const start = offsets[row]!;
    const first = offsets[row + 1]! > start ? values[start]! : 0;
    into[i - from] = first !== BOTH_WAYS ? first : flow === undefined ? 0 : flow[row]!;
  }
}

/** IPv4 addresses as numbers; 0 for addresses of the other family. */
export function gatherV4(
  { rows, from, to }: Records,
  ids: Uint32Array,
  table: AddressTable,
  into: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    const id = ids[rows[i]!]!;
    into[i - from] = id !== MISSING && table.isV4(id) ? bigEndian(table.word(id, 3)) : 0;
  }
}

export function gatherMacs(
  { rows, from, to }: Records,
  ids: Uint32Array,
  table: MacTable,
  into: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    const id = ids[rows[i]!]!;
    const low = id === MISSING ? 0 : bigEndian(table.word(id, 1)) / 2 ** 16;
    into[i - from] = id === MISSING ? 0 : bigEndian(table.word(id, 0)) * 2 ** 16 + low;
  }
}

/** Words of the intern tables are the value's bytes read little-endian. */
function bigEndian(word: number): number {
  const swapped = ((word & 0xff00ff) << 8) | ((word >>> 8) & 0xff00ff);
  return ((swapped << 16) | (swapped >>> 16)) >>> 0;
}

/** The bits of the TCP header that a flow's flags stand for. */
export function headerFlags(flags: number): number {
  let header = flags & 0xff;
  if (flags & TcpFlag.SYN_ACK) header |= TcpFlag.SYN | TcpFlag.ACK;
  if (flags & TcpFlag.FIN_ACK) header |= TcpFlag.FIN | TcpFlag.ACK;
  if (flags & TcpFlag.RST_ACK) header |= TcpFlag.RST | TcpFlag.ACK;
  return header;
}

export function toHeaderFlags(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = headerFlags(values[i]!);
}

/** Converts milliseconds since 1970 to seconds; four-byte values start again from 0 in 2106. */
export function toSeconds(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = Math.floor(values[i]! / 1000) % WORD;
}

/** Converts "one packet in N" to the share of packets that was sampled. */
export function toProbabilities(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = values[i]! > 1 ? 1 / values[i]! : 1;
}

/** One packet in this many was sampled; 1 where every packet was. */
export function toIntervals(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) if (values[i] === 0) values[i] = 1;
}

const CODE_POINT_SHIFT = 2;

export function toClassesOfService(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = (values[i]! << CODE_POINT_SHIFT) & 0xff;
}

/** The type of ICMP in the high octet, the code in the low one. */
export function addCodes(count: number, values: Float64Array, codes: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = (values[i]! << 8) | codes[i]!;
}

/** Big-endian numbers of one, two or four bytes; larger values become the largest that fits. */
export function putSmall(
  { bytes, cursors, from, to }: Records,
  width: number,
  values: Float64Array,
): void {
  const limit = 2 ** (width * 8) - 1;
  for (let i = from; i < to; i++) {
    let at = cursors[i]!;
    cursors[i] = at + width;
    const sent = values[i - from]!;
    const value = (sent > limit ? limit : sent) >>> 0;
    if (width === 4) {
      bytes[at++] = value >>> 24;
      bytes[at++] = value >>> 16;
    }
    if (width >= 2) bytes[at++] = value >>> 8;
    bytes[at] = value;
  }
}

/** Big-endian whole numbers of six or eight bytes; a double holds 53 bits of them. */
export function putLarge(
  { bytes, cursors, from, to }: Records,
  width: number,
  values: Float64Array,
): void {
  for (let i = from; i < to; i++) {
    let at = cursors[i]!;
    cursors[i] = at + width;
    // Also false for NaN.
    const value = values[i - from]! > 0 ? values[i - from]! : 0;
    const high = (value / WORD) >>> 0;
    const low = value >>> 0;
    if (width === 8) {
      bytes[at++] = high >>> 24;
      bytes[at++] = high >>> 16;
    }
    bytes[at++] = high >>> 8;
    bytes[at++] = high;
    bytes[at++] = low >>> 24;
    bytes[at++] = low >>> 16;
    bytes[at++] = low >>> 8;
    bytes[at] = low;
  }
}

/** Skips these bytes, which are still zero in a new buffer. */
export function putNothing({ cursors, from, to }: Records, width: number): void {
  for (let i = from; i < to; i++) cursors[i]! += width;
}

const SEGMENT_BYTES = 8;
/** Most significant byte of layer2SegmentId for VXLAN, the only tunnel with a number at IANA. */
const SEGMENT_VXLAN = 1;

/** Marks identifiers that have just been written as VXLAN's; `vxlan` is the word's id. */
export function markVxlan(
  { bytes, cursors, rows, from, to }: Records,
  present: Uint32Array,
  kinds: Uint32Array,
  vxlan: number,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    if (kinds[row] !== vxlan || ((present[row >>> 5]! >>> (row & 31)) & 1) === 0) continue;
    bytes[cursors[i]! - SEGMENT_BYTES] = SEGMENT_VXLAN;
  }
}

/** IEEE 754, big-endian. */
export function putDoubles({ bytes, cursors, from, to }: Records, values: Float64Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = from; i < to; i++) {
    view.setFloat64(cursors[i]!, values[i - from]!);
    cursors[i]! += 8;
  }
}

/** Copies addresses of 16 bytes from the table to the records. */
export function putV6(
  { bytes, cursors, rows, from, to }: Records,
  ids: Uint32Array,
  table: AddressTable,
): void {
  for (let i = from; i < to; i++) {
    const at = cursors[i]!;
    cursors[i] = at + 16;
    const id = ids[rows[i]!]!;
    if (id === MISSING) bytes.fill(0, at, at + 16);
    else table.copyTo(id, bytes, at);
  }
}
