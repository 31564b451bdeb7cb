import { EtherType, hasPorts, Protocol } from '../../flow/enums.ts';
import { word16, word32 } from './bytes.ts';
import { PACKET } from './columns.ts';
import { Packet } from './packet.ts';
import { ETHERNET, TunnelHeader, type TunnelType } from './tunnel-header.ts';

const { IPv4: IPV4, IPv6: IPV6 } = EtherType;
const MPLS = 0x8847;
const MPLS_MULTICAST = 0x8848;
/** Smaller numbers are lengths (IEEE 802.3), not types. */
const TYPE_MIN = 0x0600;

/** Most tags of 802.1Q and 802.1ad that are read; the outermost one is the flow's. */
export const TAGS_MAX = 4;
/** Most MPLS labels that are read. */
export const LABELS_MAX = 16;
/** Most extension headers of IPv6 that are read. */
export const EXTENSIONS_MAX = 8;

const ETHERNET_BYTES = 14;
const TAG_BYTES = 4;
const LABEL_BYTES = 4;
const V4_BYTES = 20;
const V6_BYTES = 40;
const PORTS_BYTES = 4;
/** Up to the octet with the flags. */
const TCP_FLAGS_BYTES = 14;
const EXTENSION_BYTES = 8;

const MORE_FRAGMENTS = 0x2000;
const OFFSET_BITS = 0x1fff;
const HIDDEN = -1;

/** Labels whose value and time to live have fields. */
const LABEL_SLOTS = [PACKET.Mpls_1Label, PACKET.Mpls_2Label, PACKET.Mpls_3Label];
const TTL_SLOTS = [PACKET.Mpls_1Ttl, PACKET.Mpls_2Ttl, PACKET.Mpls_3Ttl];

/**
 * Reads the headers at the beginning of a packet, which may end anywhere: fields whose octets are
 * not there are absent.
 *
 * If the packet is that of a tunnel and has the addresses of the packet inside, the flow is the
 * inner one. One tunnel is looked into; a further one is the inner packet's content.
 */
export class Dissector {
  /** The tunnel around the flow; undefined: none. */
  tunnel: TunnelType | undefined;
  /** The headers around the tunnel, or those of the flow. */
  readonly outer = new Packet();
  readonly #inner = new Packet();
  readonly #header = new TunnelHeader();
  #bytes: Uint8Array = new Uint8Array(0);
  /** Where the next header begins, and where the packet ends or is cut off. */
  #at = 0;
  #end = 0;
  #isFragment = false;

  clear(): void {
    this.outer.clear();
    this.tunnel = undefined;
  }

  /** Reads `bytes[at, end)`; `type` is ETHERNET or the EtherType of what is there. */
  read(bytes: Uint8Array, at: number, end: number, type: number): Packet {
    const inner = this.#inner;
    const header = this.#header;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.tunnel = undefined;
    const protocol = this.#headers(this.outer, type);
    if (protocol === HIDDEN || this.#isFragment) return this.outer;
    if (!header.read(bytes, this.#at, this.#end, protocol)) return this.outer;
    this.#at = header.next;
    this.#headers(inner, header.innerType);
    if (!inner.hasAddresses) return this.outer;
    inner.wrapIn(this.outer);
    if (!Number.isNaN(header.id)) inner.numbers.set(PACKET.TunnelId, header.id);
    this.tunnel = header.type;
    return inner;
  }

  /** Fills the packet; the protocol of the payload, HIDDEN if that is not there. */
  #headers(packet: Packet, first: number): number {
    packet.clear();
    this.#isFragment = false;
    let type = first;
    if (type === ETHERNET) type = this.#ethernet(packet);
    if (type >= TYPE_MIN) packet.numbers.set(PACKET.Etype, type);
    if (type === MPLS || type === MPLS_MULTICAST) type = this.#labels(packet);
    let protocol = HIDDEN;
    if (type === IPV4) protocol = this.#v4(packet);
    else if (type === IPV6) protocol = this.#v6(packet);
    if (protocol !== HIDDEN) this.#transport(packet, protocol);
    return protocol;
  }

  /** The EtherType of the payload; 0: unknown. */
  #ethernet(packet: Packet): number {
    const bytes = this.#bytes;
    let at = this.#at;
    if (this.#end - at < ETHERNET_BYTES) return 0;
    packet.setMacs(bytes, at + 6, at);
    let type = word16(bytes, at + 12);
    at += ETHERNET_BYTES;
    for (let tag = 0; tag < TAGS_MAX && isTag(type); tag++) {
      if (this.#end - at < TAG_BYTES) return type;
      if (tag === 0) packet.numbers.set(PACKET.VlanId, word16(bytes, at) & 0x0fff);
      type = word16(bytes, at + 2);
      at += TAG_BYTES;
    }
    this.#at = at;
    return type;
  }

  /** RFC 3032. The EtherType of the payload, by its first bits; 0: unknown. */
  #labels(packet: Packet): number {
    const { numbers } = packet;
    const bytes = this.#bytes;
    for (let depth = 0; depth < LABELS_MAX && this.#end - this.#at >= LABEL_BYTES; depth++) {
      const entry = word32(bytes, this.#at);
      this.#at += LABEL_BYTES;
      const label = entry >>> 12;
      const ttl = entry & 0xff;
      if (depth < LABEL_SLOTS.length) {
        numbers.set(LABEL_SLOTS[depth]!, label);
        numbers.set(TTL_SLOTS[depth]!, ttl);
      }
      numbers.set(PACKET.HasMpls, 1);
      numbers.set(PACKET.MplsCount, depth + 1);
      const isLast = (entry & 0x100) !== 0;
      if (!isLast) continue;
      numbers.set(PACKET.MplsLastLabel, label);
      numbers.set(PACKET.MplsLastTtl, ttl);
      const version = this.#at < this.#end ? bytes[this.#at]! >> 4 : 0;
      return version === 4 ? IPV4 : version === 6 ? IPV6 : 0;
    }
    return 0;
  }

  /** RFC 791. */
  #v4(packet: Packet): number {
    const { numbers } = packet;
    const bytes = this.#bytes;
    const at = this.#at;
    const headerBytes = (bytes[at]! & 0x0f) * 4;
    if (this.#end - at < V4_BYTES || bytes[at]! >> 4 !== 4 || headerBytes < V4_BYTES) return HIDDEN;
    numbers.set(PACKET.Etype, IPV4);
    packet.setTos(bytes[at + 1]!);
    numbers.set(PACKET.IpTtl, bytes[at + 8]!);
    const protocol = bytes[at + 9]!;
    numbers.set(PACKET.Proto, protocol);
    packet.setV4(bytes, at + 12);
    const fragment = word16(bytes, at + 6);
    const offset = fragment & OFFSET_BITS;
    if (offset > 0 || (fragment & MORE_FRAGMENTS) !== 0) {
      this.#noteFragment(packet, word16(bytes, at + 4), offset);
    }
    this.#cutTo(at, word16(bytes, at + 2), headerBytes);
    this.#at = at + headerBytes;
    return offset > 0 || this.#at > this.#end ? HIDDEN : protocol;
  }

  /** RFC 8200. */
  #v6(packet: Packet): number {
    const { numbers } = packet;
    const bytes = this.#bytes;
    const at = this.#at;
    if (this.#end - at < V6_BYTES || bytes[at]! >> 4 !== 6) return HIDDEN;
    numbers.set(PACKET.Etype, IPV6);
    const first = word32(bytes, at);
    packet.setTos((first >>> 20) & 0xff);
    numbers.set(PACKET.Ipv6FlowLabel, first & 0xf_ffff);
    numbers.set(PACKET.IpTtl, bytes[at + 7]!);
    packet.setV6(bytes, at + 8);
    this.#cutTo(at, V6_BYTES + word16(bytes, at + 4), V6_BYTES + 1);
    this.#at = at + V6_BYTES;
    return this.#extensions(packet, bytes[at + 6]!);
  }

  /** RFC 8200, section 4. Passes over extension headers. */
  #extensions(packet: Packet, first: number): number {
    const { numbers } = packet;
    const bytes = this.#bytes;
    let protocol = first;
    let isLater = false;
    for (let count = 0; isExtension(protocol); count++) {
      const at = this.#at;
      // A later fragment has none of the headers that its fragment header announces.
      if (count === EXTENSIONS_MAX || isLater || this.#end - at < EXTENSION_BYTES) return HIDDEN;
      if (protocol === Extension.Fragment) {
        const fragment = word16(bytes, at + 2);
        const offset = fragment >> 3;
        // A fragment that is a whole packet (RFC 6946) is treated as such.
        if (offset > 0 || (fragment & 1) !== 0) {
          this.#noteFragment(packet, word32(bytes, at + 4), offset);
        }
        isLater = offset > 0;
      }
      this.#at += extensionBytes(protocol, bytes[at + 1]!);
      protocol = bytes[at]!;
    }
    numbers.set(PACKET.Proto, protocol);
    return isLater || this.#at > this.#end ? HIDDEN : protocol;
  }

  #noteFragment(packet: Packet, id: number, offset: number): void {
    packet.numbers.set(PACKET.FragmentId, id);
    packet.numbers.set(PACKET.FragmentOffset, offset);
    this.#isFragment = true;
  }

  /** Leaves out what fills up a short frame; a packet before its segmentation may say 0. */
  #cutTo(at: number, length: number, least: number): void {
    if (length >= least) this.#end = Math.min(this.#end, at + length);
  }

  #transport(packet: Packet, protocol: number): void {
    const { numbers } = packet;
    const bytes = this.#bytes;
    const at = this.#at;
    const room = this.#end - at;
    if (hasPorts(protocol) && room >= PORTS_BYTES) {
      numbers.set(PACKET.SrcPort, word16(bytes, at));
      numbers.set(PACKET.DstPort, word16(bytes, at + 2));
    }
    if (protocol === Protocol.TCP && room >= TCP_FLAGS_BYTES) {
      packet.setTcpFlags(word16(bytes, at + 12));
    }
    if ((protocol === Protocol.ICMP || protocol === Protocol['IPv6-ICMP']) && room >= 2) {
      numbers.set(PACKET.IcmpType, bytes[at]!);
      numbers.set(PACKET.IcmpCode, bytes[at + 1]!);
    }
  }
}

/** 802.1Q, 802.1ad, and what came before the latter. */
function isTag(type: number): boolean {
  return type === 0x8100 || type === 0x88a8 || type === 0x9100;
}

/** IANA: extension header types of IPv6; what follows ESP is encrypted. */
const Extension = {
  HopByHop: 0,
  Routing: 43,
  Fragment: 44,
  Authentication: 51,
  Options: 60,
  Mobility: 135,
  Hip: 139,
  Shim6: 140,
} as const;

function isExtension(protocol: number): boolean {
  switch (protocol) {
    case Extension.HopByHop:
    case Extension.Routing:
    case Extension.Fragment:
    case Extension.Authentication:
    case Extension.Options:
    case Extension.Mobility:
    case Extension.Hip:
    case Extension.Shim6:
      return true;
    default:
      return false;
  }
}

/** `length` is the second octet of the header. */
function extensionBytes(protocol: number, length: number): number {
  if (protocol === Extension.Fragment) return EXTENSION_BYTES;
  // RFC 4302: words of 32 bits, minus 2.
  if (protocol === Extension.Authentication) return (length + 2) * 4;
  return (length + 1) * 8;
}
