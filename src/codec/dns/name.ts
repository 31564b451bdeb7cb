import type { NameWriter } from '../printable.ts';

/** RFC 1035 §2.3.4: of a name as it is on the wire, lengths of labels and the root included. */
export const NAME_BYTES_MAX = 255;

/** Longest label; the two bits above say what else a length can be. */
const LABEL_BYTES_MAX = 63;
const POINTER = 0xc0;
/** What pointers cannot lead to: no name is in the header. */
const HEADER_BYTES = 12;
const DOT = 0x2e;

/** Instead of an offset. */
export const CUT = -1;
export const MALFORMED = -2;

/** Offset behind the name at `at`, or why there is none. Pointers are not followed. */
export function skipName(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end) {
    const length = bytes[next]!;
    if (length === 0) return next + 1;
    if (length >= POINTER) return next + 2 <= end ? next + 2 : CUT;
    if (length > LABEL_BYTES_MAX || next - at > NAME_BYTES_MAX) return MALFORMED;
    next += 1 + length;
  }
  return CUT;
}

/**
 * Appends the name at `at` of the message that begins at `start` to `into`: labels with dots in
 * between, a single dot for the root. Returns the offset behind the name, or why there is none.
 *
 * Pointers (RFC 1035 §4.1.4) must lead to where nothing has been read yet, which is further and
 * further back: so there are no loops.
 */
export function readName(
  bytes: Uint8Array,
  start: number,
  at: number,
  end: number,
  into: NameWriter,
): number {
  let next = at;
  let behind = -1;
  let floor = at;
  let used = 1;
  while (next < end) {
    const length = bytes[next]!;
    if (length === 0) {
      if (into.length === 0) into.raw(DOT);
      return behind < 0 ? next + 1 : behind;
    }
    if (length >= POINTER) {
      if (next + 2 > end) return CUT;
      const target = start + (((length & ~POINTER) << 8) | bytes[next + 1]!);
      if (behind < 0) behind = next + 2;
      if (target >= floor || target < start + HEADER_BYTES) return MALFORMED;
      next = target;
      floor = target;
      continue;
    }
    used += 1 + length;
    if (length > LABEL_BYTES_MAX || used > NAME_BYTES_MAX) return MALFORMED;
    if (next + 1 + length > end) return CUT;
    if (into.length > 0) into.raw(DOT);
    into.escaped(bytes, next + 1, next + 1 + length, DOT);
    next += 1 + length;
  }
  return CUT;
}

/** Offset of the label at `at`, all of it in the message, or why there is none. */
export function labelAt(bytes: Uint8Array, start: number, end: number, at: number): number {
  let next = at;
  // Back, as in readName(), and once: no server has pointers lead to pointers.
  if (next < end && bytes[next]! >= POINTER) {
    if (next + 2 > end) return CUT;
    next = start + (((bytes[next]! & ~POINTER) << 8) | bytes[next + 1]!);
    if (next >= at || next < start + HEADER_BYTES) return MALFORMED;
  }
  if (next >= end) return CUT;
  const length = bytes[next]!;
  if (length > LABEL_BYTES_MAX) return MALFORMED;
  return next + 1 + length > end ? CUT : next;
}
