import type { ListColumn } from '../../flow/batch.ts';
import { TcpFlag } from '../../flow/enums.ts';
import { type AddressTable, type MacTable, MISSING } from '../../flow/intern.ts';

/**
 * One element of all records of a run is written in up to three loops: what the rows have is
 * gathered, made into what the element is, and put where each record has got to. Only the first
 * knows of rows, only the last of records, and in between are nothing but numbers.
 *
 * What a row does not have is zero, or an empty text: a record has every element of its template.
 */
export interface Records {
  readonly bytes: Uint8Array;
  /** Where each record goes on; moved behind what is written. */
  readonly cursors: Uint32Array;
  /** Row of the batch of each record. */
  readonly rows: Uint32Array;
  /** The records `[from, to)` are written. */
  readonly from: number;
  readonly to: number;
}

/** Records of a run, so that what is gathered of them stays in the first-level cache. */
export const RUN_RECORDS = 512;

const WORD = 2 ** 32;

/** The value of each record of the run; 0 for rows that have none. */
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

/** Of an interface that the flow went through both ways. */
const BOTH_WAYS = 3;

/** IANA knows in (0) and out (1); for both ways there is the direction of the first packet. */
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

/** IPv4 addresses as numbers; of another family there is none. */
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

/** Seconds since 1970 of milliseconds since then; those of four bytes begin anew in 2106. */
export function toSeconds(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = Math.floor(values[i]! / 1000) % WORD;
}

/** Of one packet in N: the share of packets that was looked at. */
export function toProbabilities(count: number, values: Float64Array): void {
  for (let i = 0; i < count; i++) values[i] = values[i]! > 1 ? 1 / values[i]! : 1;
}

/** One packet in this many was looked at; all are 1 in 1. */
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

/** Big-endian numbers of one, two or four bytes; what does not fit is the largest that does. */
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

/** Big-endian whole numbers of six or eight bytes, of which a double has 53 bits. */
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

/** Leaves as many zeros as there are in a buffer that nobody has written to. */
export function putNothing({ cursors, from, to }: Records, width: number): void {
  for (let i = from; i < to; i++) cursors[i]! += width;
}

const SEGMENT_BYTES = 8;
/** Of layer2SegmentId, in its most significant byte: the only tunnel that IANA has a number for. */
const SEGMENT_VXLAN = 1;

/** Says of identifiers that have just been put that they are of VXLAN; `vxlan` is the word's id. */
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

/** Addresses of 16 bytes go from the table to the record. */
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
