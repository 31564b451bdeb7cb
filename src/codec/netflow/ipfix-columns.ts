import type { ListColumn } from '../../flow/batch.ts';
import { TcpFlag } from '../../flow/enums.ts';
import { type AddressTable, type MacTable, MISSING } from '../../flow/intern.ts';

/**
 * Loops that write one element of all records. Each record has a cursor, which the loop moves
 * behind what it wrote; what a row does not have is zero, or an empty text: a record has every
 * element of its template.
 */
export interface Records {
  readonly bytes: Uint8Array;
  readonly cursors: Uint32Array;
  /** Row of the batch of each record. */
  readonly rows: Uint32Array;
  /** The records `[from, to)` are written. */
  readonly from: number;
  readonly to: number;
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

const WORD = 2 ** 32;

/** Big-endian numbers of one to four bytes; what does not fit is the largest that does. */
export function writeSmall(
  { bytes, cursors, rows, from, to }: Records,
  width: number,
  values: Numbers,
  present: Uint32Array,
): void {
  const limit = 2 ** (width * 8) - 1;
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    let at = cursors[i]!;
    cursors[i] = at + width;
    let value = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
    if (value > limit) value = limit;
    if (width === 4) {
      bytes[at++] = value >>> 24;
      bytes[at++] = value >>> 16;
    }
    if (width >= 2) bytes[at++] = value >>> 8;
    bytes[at] = value;
  }
}

/** Whole numbers of eight bytes, of which a column has 53 bits. */
export function writeLarge(
  { bytes, cursors, rows, from, to }: Records,
  values: Numbers,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 8;
    const value = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
    // Also false for NaN.
    const isCount = value > 0;
    putWord(bytes, at, isCount ? Math.floor(value / WORD) : 0);
    putWord(bytes, at + 4, isCount ? value : 0);
  }
}

/** Seconds since 1970 of milliseconds since then. */
export function writeSeconds(
  { bytes, cursors, rows, from, to }: Records,
  values: Float64Array,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 4;
    const value = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! / 1000 : 0;
    putWord(bytes, at, value);
  }
}

/** Flags of which a bit of our own stands for two of the header, in one packet. */
export function writeHeaderFlags(
  { bytes, cursors, rows, from, to }: Records,
  width: number,
  values: Uint16Array,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + width;
    const value = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
    bytes[at] = 0;
    bytes[at + width - 1] = headerFlags(value);
  }
}

/** The bits of the TCP header that a flow's flags stand for. */
export function headerFlags(flags: number): number {
  let header = flags & 0xff;
  if (flags & TcpFlag.SYN_ACK) header |= TcpFlag.SYN | TcpFlag.ACK;
  if (flags & TcpFlag.FIN_ACK) header |= TcpFlag.FIN | TcpFlag.ACK;
  if (flags & TcpFlag.RST_ACK) header |= TcpFlag.RST | TcpFlag.ACK;
  return header;
}

/** IEEE 754, big-endian: the share of packets that was looked at. */
export function writeProbability(
  { bytes, cursors, rows, from, to }: Records,
  values: Uint32Array,
  present: Uint32Array,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 8;
    const oneIn = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
    view.setFloat64(at, oneIn > 1 ? 1 / oneIn : 1);
  }
}

/** One packet in this many was looked at; all are 1 in 1. */
export function writeInterval(
  { bytes, cursors, rows, from, to }: Records,
  values: Uint32Array,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 4;
    const oneIn = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 1;
    putWord(bytes, at, oneIn === 0 ? 1 : oneIn);
  }
}

const CODE_POINT_SHIFT = 2;

export function writeClassOfService(
  { bytes, cursors, rows, from, to }: Records,
  values: Uint8Array,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const value = (present[row >>> 5]! >>> (row & 31)) & 1 ? values[row]! : 0;
    bytes[cursors[i]!++] = value << CODE_POINT_SHIFT;
  }
}

/** The type in the high octet, the code in the low one. */
export function writeIcmp(
  { bytes, cursors, rows, from, to }: Records,
  types: Uint8Array,
  codes: Uint8Array | undefined,
  present: Uint32Array,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 2;
    const isIcmp = (present[row >>> 5]! >>> (row & 31)) & 1;
    bytes[at] = isIcmp ? types[row]! : 0;
    bytes[at + 1] = isIcmp && codes !== undefined ? codes[row]! : 0;
  }
}

/** Kinds of layer2SegmentId that IANA has numbers for. */
const SEGMENT_VXLAN = 1;

/** The network's identifier; `vxlan` is the id of that word in the column of kinds. */
export function writeSegment(
  { bytes, cursors, rows, from, to }: Records,
  values: Uint32Array,
  present: Uint32Array,
  kinds: Uint32Array | undefined,
  vxlan: number,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const at = cursors[i]!;
    cursors[i] = at + 8;
    const isThere = (present[row >>> 5]! >>> (row & 31)) & 1;
    const isVxlan = isThere && vxlan !== MISSING && kinds !== undefined && kinds[row] === vxlan;
    putWord(bytes, at, isVxlan ? SEGMENT_VXLAN * 2 ** 24 : 0);
    putWord(bytes, at + 4, isThere ? values[row]! : 0);
  }
}

/** Of an interface that the flow went through both ways. */
const BOTH_WAYS = 3;

/** IANA knows in (0) and out (1); for both ways there is the direction of the first packet. */
export function writeDirection(
  { bytes, cursors, rows, from, to }: Records,
  { offsets, values }: ListColumn,
  flow: Uint8Array | undefined,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const start = offsets[row]!;
    let value = offsets[row + 1]! > start ? values[start]! : 0;
    if (value === BOTH_WAYS) value = flow === undefined ? 0 : flow[row]!;
    bytes[cursors[i]!++] = value;
  }
}

export function writeV4(
  { bytes, cursors, rows, from, to }: Records,
  ids: Uint32Array,
  table: AddressTable,
): void {
  for (let i = from; i < to; i++) {
    const at = cursors[i]!;
    cursors[i] = at + 4;
    const id = ids[rows[i]!]!;
    const isThere = id !== MISSING && table.isV4(id);
    putReversed(bytes, at, isThere ? table.word(id, 3) : 0);
  }
}

export function writeV6(
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

export function writeMac(
  { bytes, cursors, rows, from, to }: Records,
  ids: Uint32Array,
  table: MacTable,
): void {
  for (let i = from; i < to; i++) {
    const at = cursors[i]!;
    cursors[i] = at + 6;
    const id = ids[rows[i]!]!;
    const high = id === MISSING ? 0 : table.word(id, 1);
    putReversed(bytes, at, id === MISSING ? 0 : table.word(id, 0));
    bytes[at + 4] = high;
    bytes[at + 5] = high >>> 8;
  }
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Words of the intern tables are the value's bytes read little-endian. */
function putReversed(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
