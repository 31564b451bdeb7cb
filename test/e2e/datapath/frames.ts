/** Builds packets from the inside out: each layer takes its content. */

export const Proto = {
  hopByHop: 0,
  icmp: 1,
  tcp: 6,
  udp: 17,
  dccp: 33,
  routing: 43,
  fragment: 44,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  none: 59,
  destination: 60,
  sctp: 132,
  udpLite: 136,
} as const;

export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  bridged: 0x6558,
  vlan: 0x8100,
  ipv6: 0x86dd,
  mpls: 0x8847,
  pppoe: 0x8864,
  qinq: 0x88a8,
  providerBackbone: 0x88e7,
  macsec: 0x88e5,
  fabricPath: 0x8903,
  metadata: 0x8909,
  hsr: 0x892f,
  eTag: 0x893f,
  serviceHeader: 0x894f,
  oldQinq: 0x9100,
};

export const SOURCE_MAC = '02:00:00:00:00:01';
export const TARGET_MAC = '02:00:00:00:00:02';

const mac = (text: string): Buffer => Buffer.from(text.replaceAll(':', ''), 'hex');

export function ethernet(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(type);
  return Buffer.concat([mac(TARGET_MAC), mac(SOURCE_MAC), head, payload]);
}

/** The bytes after the tag's own EtherType: for `ethernet` or another tag. */
export function vlanTag(id: number, type: number, payload: Buffer): Buffer {
  const tag = Buffer.alloc(4);
  // Priority bits set: only the id may appear in a flow.
  tag.writeUInt16BE(0xe000 | id, 0);
  tag.writeUInt16BE(type, 2);
  return Buffer.concat([tag, payload]);
}

export interface Ipv4Options {
  readonly source?: readonly number[];
  readonly target?: readonly number[];
  readonly tos?: number;
  readonly id?: number;
  readonly moreFragments?: boolean;
  /** In units of eight bytes. */
  readonly fragmentOffset?: number;
  readonly options?: Buffer;
  readonly totalLength?: number;
  readonly headerWords?: number;
  readonly version?: number;
}

export function ipv4(protocol: number, payload: Buffer, options: Ipv4Options = {}): Buffer {
  const extra = options.options ?? Buffer.alloc(0);
  const header = Buffer.alloc(20);
  const words = options.headerWords ?? 5 + extra.length / 4;
  header[0] = ((options.version ?? 4) << 4) | words;
  header[1] = options.tos ?? 0;
  header.writeUInt16BE(options.totalLength ?? 20 + extra.length + payload.length, 2);
  header.writeUInt16BE(options.id ?? 0, 4);
  const more = options.moreFragments ? 0x2000 : 0;
  header.writeUInt16BE(more | (options.fragmentOffset ?? 0), 6);
  header[8] = 64;
  header[9] = protocol;
  header.set(options.source ?? [10, 0, 0, 1], 12);
  header.set(options.target ?? [10, 0, 0, 2], 16);
  return Buffer.concat([header, extra, payload]);
}

export interface Ipv6Options {
  readonly trafficClass?: number;
  readonly payloadLength?: number;
  readonly source?: Buffer;
  readonly target?: Buffer;
}

const IPV6_SOURCE = Buffer.from('20010db8000000000000000000000001', 'hex');
const IPV6_TARGET = Buffer.from('20010db8000000000000000000000002', 'hex');

export function ipv6(next: number, payload: Buffer, options: Ipv6Options = {}): Buffer {
  const header = Buffer.alloc(40);
  header.writeUInt32BE(((6 << 28) | ((options.trafficClass ?? 0) << 20)) >>> 0, 0);
  header.writeUInt16BE(options.payloadLength ?? payload.length, 4);
  header[6] = next;
  header[7] = 64;
  (options.source ?? IPV6_SOURCE).copy(header, 8);
  (options.target ?? IPV6_TARGET).copy(header, 24);
  return Buffer.concat([header, payload]);
}

/** An IPv6 extension header of `units` eight-byte units beyond the first. */
export function extension(next: number, payload: Buffer, units = 0): Buffer {
  const header = Buffer.alloc(8 + units * 8);
  header[0] = next;
  header[1] = units;
  return Buffer.concat([header, payload]);
}

/** An authentication header, whose length counts four-byte words less two. */
export function authentication(next: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(24);
  header[0] = next;
  header[1] = 4;
  return Buffer.concat([header, payload]);
}

export function ipv6Fragment(
  next: number,
  payload: Buffer,
  fragment: { id: number; offset: number; more: boolean },
): Buffer {
  const header = Buffer.alloc(8);
  header[0] = next;
  header.writeUInt16BE((fragment.offset << 3) | (fragment.more ? 1 : 0), 2);
  header.writeUInt32BE(fragment.id, 4);
  return Buffer.concat([header, payload]);
}

export const Flag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 };

export function tcp(flags: number, payloadBytes = 0, optionWords = 0): Buffer {
  const header = Buffer.alloc(20 + optionWords * 4 + payloadBytes);
  header.writeUInt16BE(40000, 0);
  header.writeUInt16BE(443, 2);
  header[12] = (5 + optionWords) << 4;
  header[13] = flags;
  return header;
}

export function udp(payloadBytes: number, source = 40000, target = 53): Buffer {
  const header = Buffer.alloc(8 + payloadBytes);
  header.writeUInt16BE(source, 0);
  header.writeUInt16BE(target, 2);
  header.writeUInt16BE(header.length, 4);
  return header;
}

/** The content of a datagram: the VXLAN header, then the frame inside. */
export function vxlan(id: number, frame: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 0x08;
  header.writeUIntBE(id, 4, 3);
  return Buffer.concat([header, frame]);
}

/** Like `vxlan`, with room for options; `protocol` 0x6558 is Ethernet, IP has its usual one. */
export function geneve(id: number, protocol: number, inner: Buffer, optionWords = 0): Buffer {
  const header = Buffer.alloc(8 + optionWords * 4);
  header[0] = optionWords;
  header.writeUInt16BE(protocol, 2);
  header.writeUIntBE(id, 4, 3);
  return Buffer.concat([header, inner]);
}

/** A datagram whose length field may differ from its payload. */
export function datagram(target: number, payload: Buffer, source = 40000): Buffer {
  const header = udp(payload.length, source, target).subarray(0, 8);
  return Buffer.concat([header, payload]);
}

export function sctp(): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt16BE(3868, 0);
  header.writeUInt16BE(3869, 2);
  return header;
}

export function icmp(type: number, code: number): Buffer {
  const header = Buffer.alloc(16);
  header[0] = type;
  header[1] = code;
  return header;
}

/** Frames that a real host accepts: to its MAC, with the IPv4 header's checksum (RFC 1071). */
export function addressed(frame: Buffer, target: string): Buffer {
  mac(target).copy(frame, 0);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(sum ^ 0xffff, 24);
  return frame;
}
