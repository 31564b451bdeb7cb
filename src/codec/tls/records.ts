const RECORD_HEAD_BYTES = 5;
const HANDSHAKE = 22;
const MAJOR = 3;

/**
 * Removes the heads of records from `bytes[from .. end]`, so that a message in several records is
 * contiguous (RFC 8446 §5.1). Returns the length of the result in `into`, which has room for all.
 */
export function joinRecords(
  bytes: Uint8Array,
  from: number,
  end: number,
  into: Uint8Array,
): number {
  let length = 0;
  for (let at = from; at + RECORD_HEAD_BYTES <= end; ) {
    if (bytes[at] !== HANDSHAKE || bytes[at + 1] !== MAJOR) break;
    const body = at + RECORD_HEAD_BYTES;
    const next = body + ((bytes[at + 3]! << 8) | bytes[at + 4]!);
    const to = Math.min(next, end);
    into.set(bytes.subarray(body, to), length);
    length += to - body;
    at = next;
  }
  return length;
}
