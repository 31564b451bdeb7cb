/**
 * Parses the headers between a frame's addresses and its IP header, by the standards that define
 * them. Slow and obvious, like model.ts.
 */
import { EtherType } from './frames.ts';

export type Found =
  | { readonly type: number; readonly packet: Buffer; readonly vlanId: number }
  | 'not-ip'
  | 'not-looked-into';

const LINK_HEADERS_MAX = 8;
const ETHERNET_BYTES = 14;

/** One header further: the type of its content, and where it begins. */
type Step = { readonly type: number; readonly bytes: number } | 'not-ip' | 'not-looked-into';

const TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300, 0x9400];
/** Carry frames, encrypted or in a way that is not parsed: MACsec, TRILL, BATMAN. */
const OPAQUE: readonly number[] = [0x88e5, 0x22f3, 0x4305];

/** Headers whose last two bytes are the next type, by their lengths. */
const PLAIN: ReadonlyMap<number, number> = new Map([
  [EtherType.bridged, ETHERNET_BYTES],
  [EtherType.fabricPath, 2 + ETHERNET_BYTES],
  [EtherType.providerBackbone, 4 + ETHERNET_BYTES],
  [EtherType.hsr, 6],
  [0x8926, 6],
  [0xf1c1, 6],
  [EtherType.eTag, 8],
]);

/** Missing bytes read as 0, which is not a protocol. */
const half = (rest: Buffer, at: number): number =>
  rest.length >= at + 2 ? rest.readUInt16BE(at) : 0;

const plain = (rest: Buffer, bytes: number): Step => {
  const type = half(rest, bytes - 2);
  return type === 0 ? 'not-ip' : { type, bytes };
};

function versioned(rest: Buffer, bytes: number): Step {
  const version = (rest[bytes] ?? 0) >> 4;
  if (version === 4) return { type: EtherType.ipv4, bytes };
  if (version === 6) return { type: EtherType.ipv6, bytes };
  return 'not-looked-into';
}

function mpls(rest: Buffer, type: number): Step {
  const isBottom = (half(rest, 2) & 0x100) !== 0;
  return isBottom ? versioned(rest, 4) : { type, bytes: 4 };
}

const PPP: ReadonlyMap<number, number> = new Map([
  [0x21, EtherType.ipv4],
  [0x57, EtherType.ipv6],
  [0x281, EtherType.mpls],
]);

function pppoe(rest: Buffer): Step {
  if (half(rest, 0) !== 0x1100) return 'not-ip';
  const long = half(rest, 6);
  const isShort = ((long >> 8) & 1) === 1;
  const protocol = isShort ? long >> 8 : long;
  const bytes = isShort ? 7 : 8;
  const type = PPP.get(protocol);
  if (type !== undefined) return { type, bytes };
  return protocol === 0 || protocol >= 0x8000 ? 'not-ip' : 'not-looked-into';
}

function serviceHeader(rest: Buffer): Step {
  const bytes = (half(rest, 0) & 0x3f) * 4;
  const next = half(rest, 2) & 0xff;
  const { ipv4, ipv6, bridged, mpls: label } = EtherType;
  const type = { 1: ipv4, 2: ipv6, 3: bridged, 5: label }[next];
  return type === undefined ? 'not-looked-into' : { type, bytes };
}

function llc(rest: Buffer): Step {
  const isSnap = rest.length >= 6 && rest.toString('hex', 0, 6) === 'aaaa03000000';
  return isSnap && half(rest, 6) >= 0x600 ? { type: half(rest, 6), bytes: 8 } : 'not-ip';
}

function step(type: number, rest: Buffer): Step {
  if (OPAQUE.includes(type)) return 'not-looked-into';
  if (rest.length < 2) return 'not-ip';
  if (TAGS.includes(type)) return plain(rest, 4);
  const length = PLAIN.get(type);
  if (length !== undefined) return plain(rest, length);
  if (type < 0x600) return llc(rest);
  if (type === EtherType.mpls || type === 0x8848) return mpls(rest, type);
  if (type === EtherType.pppoe) return pppoe(rest);
  if (type === EtherType.metadata) return plain(rest, 4 + (half(rest, 0) & 0xff) * 4);
  if (type === EtherType.serviceHeader) return serviceHeader(rest);
  return 'not-ip';
}

export function findNetwork(frame: Buffer): Found {
  let type = frame.readUInt16BE(12);
  let packet = frame.subarray(ETHERNET_BYTES);
  let vlanId = 0;
  for (let headers = 0; ; headers++) {
    if (type === EtherType.ipv4 || type === EtherType.ipv6) return { type, packet, vlanId };
    if (headers === LINK_HEADERS_MAX) return 'not-looked-into';
    if (TAGS.includes(type)) vlanId ||= half(packet, 0) & 0xfff;
    const next = step(type, packet);
    if (typeof next === 'string') return next;
    ({ type } = next);
    packet = packet.subarray(next.bytes);
  }
}
