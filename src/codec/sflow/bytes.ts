/** Words of network byte order; the caller has checked that they are there. */

export function word16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function word32(bytes: Uint8Array, at: number): number {
  return ((word16(bytes, at) << 16) | word16(bytes, at + 2)) >>> 0;
}

/** The form of the intern tables. */
export function littleWord(bytes: Uint8Array, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  return (low | (bytes[at + 3]! << 24)) >>> 0;
}

/** ::ffff:0:0/96, as a little-endian word. */
const MAPPED_WORD = 0xffff0000;

/** Writes four octets of IPv4 as an address of the intern table. */
export function loadV4(words: Uint32Array, into: number, bytes: Uint8Array, at: number): void {
  words[into] = 0;
  words[into + 1] = 0;
  words[into + 2] = MAPPED_WORD;
  words[into + 3] = littleWord(bytes, at);
}

/** Writes sixteen octets of IPv6 as an address of the intern table. */
export function loadV6(words: Uint32Array, into: number, bytes: Uint8Array, at: number): void {
  for (let word = 0; word < 4; word++) words[into + word] = littleWord(bytes, at + word * 4);
}

/** Octets of an address behind its type, 0: an unknown address; -1: the type has no meaning. */
export function addressBytes(type: number): number {
  switch (type) {
    case 0:
      return 0;
    case 1:
      return 4;
    case 2:
      return 16;
    default:
      return -1;
  }
}

/** Writes an address of 4 or 16 octets. */
export function loadAddress(
  words: Uint32Array,
  into: number,
  bytes: Uint8Array,
  at: number,
  length: number,
): void {
  if (length === 4) loadV4(words, into, bytes, at);
  else if (length === 16) loadV6(words, into, bytes, at);
}

/** Octets that opaque data takes up: XDR fills words of four (RFC 4506, section 4.10). */
export function padded(length: number): number {
  return length + (-length & 3);
}
