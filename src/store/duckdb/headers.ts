/**
 * The beginning of a DuckDB file: a main header and two database headers, a page each. A checkpoint
 * writes the unused database header and then switches to it. DuckDB opens no file unless all three
 * are intact. A page is a checksum and its contents; all but some tens of bytes have no meaning.
 */
const HEADER_PAGE_BYTES = 4096;
export const HEADERS_BYTES = 3 * HEADER_PAGE_BYTES;

const CHECKSUM_BYTES = 8;
const CHECKSUM_START = 5381n;
const CHECKSUM_FACTOR = 0xbf58476d1ce4e5b9n;

/**
 * The three pages after repair. The main header is replaced by `main`, that of another database,
 * since it only describes formats. A database header gets a new checksum if its checkpoint count
 * shows that the damage is behind the bytes that DuckDB reads. Undefined when nothing is damaged,
 * or when the older header might be taken for the newer one, whose flows would be overwritten.
 */
export function mendedHeaders(bytes: Buffer, main: Buffer): Buffer | undefined {
  const damaged = SLOTS.filter((slot) => !isWhole(pageOf(bytes, slot)));
  if (damaged.length > 0 && !areSuccessive(bytes)) return undefined;
  const isMainWhole = isMainHeaderWhole(bytes);
  if (damaged.length === 0 && isMainWhole) return undefined;
  const mended = Buffer.from(bytes);
  for (const slot of damaged) {
    const page = pageOf(mended, slot);
    page.writeBigUInt64LE(checksumOf(page), 0);
  }
  if (!isMainWhole) main.copy(mended, 0, 0, HEADER_PAGE_BYTES);
  return mended;
}

export function isMainHeaderWhole(bytes: Buffer): boolean {
  return isWhole(bytes.subarray(0, HEADER_PAGE_BYTES));
}

const SLOTS = [1, 2] as const;

function pageOf(bytes: Buffer, slot: (typeof SLOTS)[number]): Buffer {
  return bytes.subarray(slot * HEADER_PAGE_BYTES, (slot + 1) * HEADER_PAGE_BYTES);
}

/** True when the two headers have successive checkpoint numbers. */
function areSuccessive(bytes: Buffer): boolean {
  const [first, second] = SLOTS.map((slot) => pageOf(bytes, slot).readBigUInt64LE(CHECKSUM_BYTES));
  const [high, low] = first! > second! ? [first!, second!] : [second!, first!];
  return high - low === 1n;
}

function isWhole(page: Buffer): boolean {
  return checksumOf(page) === page.readBigUInt64LE(0);
}

function checksumOf(page: Buffer): bigint {
  let sum = CHECKSUM_START;
  for (let at = CHECKSUM_BYTES; at < page.length; at += CHECKSUM_BYTES) {
    sum ^= BigInt.asUintN(64, page.readBigUInt64LE(at) * CHECKSUM_FACTOR);
  }
  return sum;
}
