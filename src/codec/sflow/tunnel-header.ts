import { EtherType, Protocol } from '../../flow/enums.ts';
import { word16, word32 } from './bytes.ts';

export type TunnelType = 'vxlan' | 'geneve' | 'gre' | 'ipip';

/** Transparent Ethernet Bridging: a frame of Ethernet follows. */
export const ETHERNET = 0x6558;
/** IANA: ports of the outer packet's destination. */
const VXLAN_PORT = 4789;
const GENEVE_PORT = 6081;

const UDP_BYTES = 8;
const VXLAN_BYTES = 8;
const VXLAN_HAS_ID = 0x08;
const GENEVE_BYTES = 8;
const GRE_BYTES = 4;
const GRE_WORD = 4;
/** Flags of GRE (RFC 2784, RFC 2890), in its first two octets. */
const GRE_CHECKSUM = 0x8000;
const GRE_KEY = 0x2000;
const GRE_SEQUENCE = 0x1000;
/** The routing of RFC 1701, and versions other than 0. */
const GRE_UNREADABLE = 0x4007;

/** The header between an outer packet and the one in it. One object serves all packets. */
export class TunnelHeader {
  type: TunnelType = 'ipip';
  /** Identifier of the virtual network; NaN: none. */
  id = Number.NaN;
  /** ETHERNET, or the EtherType of the inner packet. */
  innerType = 0;
  /** Where the inner packet begins. */
  next = 0;

  /** Reads it at `at`, behind the outer IP header. False: there is none. */
  read(bytes: Uint8Array, at: number, end: number, protocol: number): boolean {
    this.id = Number.NaN;
    switch (protocol) {
      case Protocol.IPv4:
        return this.#set('ipip', EtherType.IPv4, at);
      case Protocol.IPv6:
        return this.#set('ipip', EtherType.IPv6, at);
      case Protocol.GRE:
        return this.#gre(bytes, at, end);
      case Protocol.UDP:
        return end - at >= UDP_BYTES && this.#udp(bytes, at, end);
      default:
        return false;
    }
  }

  #set(type: TunnelType, innerType: number, next: number): boolean {
    this.type = type;
    this.innerType = innerType;
    this.next = next;
    return true;
  }

  #udp(bytes: Uint8Array, at: number, end: number): boolean {
    const port = word16(bytes, at + 2);
    const header = at + UDP_BYTES;
    // RFC 7348.
    if (port === VXLAN_PORT) {
      if (end - header < VXLAN_BYTES || (bytes[header]! & VXLAN_HAS_ID) === 0) return false;
      this.id = word32(bytes, header + 4) >>> 8;
      return this.#set('vxlan', ETHERNET, header + VXLAN_BYTES);
    }
    // RFC 8926.
    if (port === GENEVE_PORT) {
      if (end - header < GENEVE_BYTES || bytes[header]! >> 6 !== 0) return false;
      this.id = word32(bytes, header + 4) >>> 8;
      const optionBytes = (bytes[header]! & 0x3f) * 4;
      return this.#set('geneve', word16(bytes, header + 2), header + GENEVE_BYTES + optionBytes);
    }
    return false;
  }

  #gre(bytes: Uint8Array, at: number, end: number): boolean {
    if (end - at < GRE_BYTES) return false;
    const flags = word16(bytes, at);
    if ((flags & GRE_UNREADABLE) !== 0) return false;
    const innerType = word16(bytes, at + 2);
    let next = at + GRE_BYTES;
    if ((flags & GRE_CHECKSUM) !== 0) next += GRE_WORD;
    if ((flags & GRE_KEY) !== 0) {
      // NVGRE (RFC 7637): a network of 24 bits and a flow of 8. Other keys have no fixed meaning.
      if (innerType === ETHERNET && end - next >= GRE_WORD) this.id = word32(bytes, next) >>> 8;
      next += GRE_WORD;
    }
    if ((flags & GRE_SEQUENCE) !== 0) next += GRE_WORD;
    return this.#set('gre', innerType, next);
  }
}
