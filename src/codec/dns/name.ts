import type { NameWriter } from '../printable.ts';

/** RFC 1035 §2.3.4: length of a name on the wire, including lengths of labels and the root. */
export const NAME_BYTES_MAX = 255;

/** Longest label; the two bits above mark other uses of a length. */
const LABEL_BYTES_MAX = 63;
const POINTER = 0xc0;
/** Pointers cannot lead into the header: it contains no name. */
const HEADER_BYTES = 12;
const DOT = 0x2e;

/** Used in place of an offset. */
export const CUT = -1;
export const MALFORMED = -2;

/** Offset behind the name at `at`, or the reason for failure. Pointers are not followed. */
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
 * between, a single dot for the root. Returns the offset behind the name, or the reason for
 * failure.
 *
 * Pointers (RFC 1035 §4.1.4) must lead to bytes that have not been read yet, further back each
 * time, so there are no loops.
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

/** Offset of the label at `at`, which is complete in the message, or the reason for failure. */
export function labelAt(bytes: Uint8Array, start: number, end: number, at: number): number {
  let next = at;
  // Must lead back, as in readName(), and only once: no server sends pointers to pointers.
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
