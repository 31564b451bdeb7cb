/**
 * The parts of DuckDB's write-ahead log format that show where whole entries end: a version entry
 * of its own form, then entries of a size and a checksum (8 bytes each, little-endian) and that
 * many bytes, which begin with field 100 of a serialised object.
 */
const VERSION_ENTRY = [0x64, 0x00, 0x62, 0x65, 0x00, 0x02, 0xff, 0xff] as const;
const ENTRY_HEADER_BYTES = 16;
const ENTRY_BEGINS = [0x64, 0x00] as const;

/** An entry has at most a chunk of rows: a larger size was never written. */
const ENTRY_BYTES_MAX = 64 * 1024 ** 2;

/** The contents of a write-ahead log. */
export interface WalSurvey {
  /** End of the whole entries. */
  readonly wholeBytes: number;
  /**
   * True when the rest was damaged. Otherwise the rest is empty, or the beginning of an entry that
   * a crash interrupted; its commit was never acknowledged.
   */
  readonly isDamaged: boolean;
}

/**
 * Finds the end of the valid part of a log. DuckDB checks entries whose size is right, and reports
 * damage; it takes a wrong size for the end of the log, and would overwrite the rest.
 */
export function surveyWal(bytes: Buffer): WalSurvey {
  if (bytes.length === 0) return { wholeBytes: 0, isDamaged: false };
  if (!beginsWith(bytes, 0, VERSION_ENTRY)) {
    const isTorn = bytes.length < VERSION_ENTRY.length && !bytes.every((byte) => byte === 0);
    return { wholeBytes: 0, isDamaged: !isTorn };
  }
  const wholeBytes = walk(bytes, VERSION_ENTRY.length);
  const rest = bytes.subarray(wholeBytes);
  return { wholeBytes, isDamaged: rest.length > 0 && !isInterrupted(rest) };
}

/** Offset behind the last whole entry. */
function walk(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const size = entryBytes(bytes, at);
    if (size === undefined || size > bytes.length - at) return at;
    at += size;
  }
}

/** Size of an entry with its header; undefined when no entry can begin here. */
function entryBytes(bytes: Buffer, at: number): number | undefined {
  if (bytes.length - at < ENTRY_HEADER_BYTES + ENTRY_BEGINS.length) return undefined;
  const size = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
  if (size < ENTRY_BEGINS.length || size > ENTRY_BYTES_MAX) return undefined;
  if (!beginsWith(bytes, at + ENTRY_HEADER_BYTES, ENTRY_BEGINS)) return undefined;
  return ENTRY_HEADER_BYTES + size;
}

/** A single unfinished entry, without a whole entry behind it. */
function isInterrupted(rest: Buffer): boolean {
  const size = entryBytes(rest, 0);
  const isHeaderCut = rest.length < ENTRY_HEADER_BYTES + ENTRY_BEGINS.length;
  if (size === undefined && !isHeaderCut) return false;
  if (rest.every((byte) => byte === 0)) return false;
  for (let at = 1; at < rest.length - ENTRY_HEADER_BYTES; at++) {
    if (entryBytes(rest, at) !== undefined && walk(rest, at) === rest.length) return false;
  }
  return true;
}

function beginsWith(bytes: Buffer, at: number, expected: readonly number[]): boolean {
  return expected.every((byte, index) => bytes[at + index] === byte);
}
