const RECORD_HEAD_BYTES = 5;
const HANDSHAKE = 22;
const MAJOR = 3;

/**
 * Takes the heads of records out of `bytes[from .. end]`, so that a message which is spread over
 * several lies in one piece (RFC 8446 §5.1). Returns the length of what is in `into`, which has
 * room for all.
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
