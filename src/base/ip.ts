/**
 * Addresses as bytes: always 16 of them, IPv4 as ::ffff:a.b.c.d (RFC 4291, section 2.5.5.2), so
 * that one table and one trie serve both families.
 */
const V4_OFFSET = 12;

/** 16 bytes of an IPv4 or IPv6 address, or undefined when the text is neither. */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

function parseV4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(16);
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  for (const [index, part] of parts.entries()) {
    // Some programs read "010" as octal, others as decimal: it is refused, as inet_pton does.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[V4_OFFSET + index] = Number(part);
  }
  return bytes;
}

function parseV6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const known = head.length + tail.length;
  if (halves.length === 1 ? known !== 16 : known > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

/** Bytes of colon-separated groups; an embedded IPv4 address may stand at the very end. */
function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (last && index === groups.length - 1 && group.includes('.')) {
      const v4 = parseV4(group);
      if (v4 === undefined) return undefined;
      bytes.push(...v4.subarray(V4_OFFSET));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >>> 8, value & 0xff);
    }
  }
  return bytes;
}

export function isMappedV4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

/** Canonical text: dotted for IPv4, RFC 5952 for IPv6. */
export function formatAddress(bytes: Uint8Array): string {
  if (isMappedV4(bytes)) return `${bytes[12]}.${bytes[13]}.${bytes[14]}.${bytes[15]}`;
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  const [start, length] = longestZeroRun(groups);
  const hex = (part: readonly number[]): string =>
    part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best[1]) best = [start, i - start];
    start = i + 1;
  }
  return best;
}

/** Bits before those of an IPv4 address. */
export const V4_PREFIX = 96;

/**
 * A prefix over 16-byte addresses: IPv4 lengths are counted from bit 96. The families are separate:
 * a prefix of fewer bits belongs to IPv6 and does not contain the addresses that stand for IPv4, as
 * `::/0` otherwise would.
 */
export interface Cidr {
  readonly bytes: Uint8Array;
  /** 0–128; an IPv4 prefix of n bits is 96 + n. */
  readonly prefix: number;
}

/** `10.0.0.0/8`, `fd00::/8`, or a bare address; host bits are cleared. Undefined when malformed. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const bytes = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (bytes === undefined) return undefined;
  const width = isMappedV4(bytes) && !text.includes(':') ? 32 : 128;
  const digits = slash < 0 ? String(width) : text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > width) return undefined;
  const prefix = Number(digits) + (128 - width);
  for (let bit = prefix; bit < 128; bit++) bytes[bit >>> 3]! &= ~(0x80 >>> (bit & 7));
  return { bytes, prefix };
}

export function cidrContains(cidr: Cidr, bytes: Uint8Array): boolean {
  if (cidr.prefix < V4_PREFIX && isMappedV4(bytes)) return false;
  const whole = cidr.prefix >>> 3;
  for (let i = 0; i < whole; i++) if (cidr.bytes[i] !== bytes[i]) return false;
  const rest = cidr.prefix & 7;
  if (rest === 0) return true;
  const mask = (0xff00 >>> rest) & 0xff;
  return (cidr.bytes[whole]! & mask) === (bytes[whole]! & mask);
}

/** Six bytes of `aa:bb:cc:dd:ee:ff`, padded to eight; undefined when the text is not a MAC. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  const bytes = new Uint8Array(8);
  for (let i = 0; i < 6; i++) bytes[i] = Number.parseInt(text.slice(i * 3, i * 3 + 2), 16);
  return bytes;
}

/** Text of a MAC whose bytes 0–3 are in `low` and 4–5 in `high`, little-endian. */
export function formatMac(low: number, high: number): string {
  const bytes = [low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8];
  return bytes.map((byte) => (byte & 0xff).toString(16).padStart(2, '0')).join(':');
}
