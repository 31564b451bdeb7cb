import { NetobservError } from '../../base/errors.ts';
import { printable } from '../../base/printable.ts';
import { AGENT_ERRORS } from '../errors.ts';

/**
 * The part of rtnetlink for interfaces and their addresses (rtnetlink(7)). Pure: bytes in, events
 * out. Integers are in host order, and every host this runs on is little-endian.
 */

const HEADER_BYTES = 16;
/** Offset of the low bytes of a header's type and flags. */
const TYPE_AT = 4;
const FLAGS_AT = 6;
const LINK_BYTES = 16;
const ADDRESS_BYTES = 8;
const ATTRIBUTE_BYTES = 4;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_OVERRUN = 4;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;

const NLM_F_REQUEST = 0x1;
const NLM_F_MULTI = 0x2;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_DUMP = 0x300;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_LINK_NETNSID = 37;
const IFLA_INFO_KIND = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
// Two high bits of the type are flags (nested, byte order).
const ATTRIBUTE_TYPE_MASK = 0x3fff;

const IFF_UP = 1;
const AF_UNSPEC = 0;

/** RTMGRP_* bits of a socket that receives changes. */
export const GROUP_LINK = 0x1;
export const GROUP_ADDRESSES = 0x10 | 0x100;

export type NetlinkEvent =
  | {
      readonly kind: 'link';
      readonly index: number;
      readonly name: string;
      readonly type: number;
      readonly up: boolean;
      readonly mac: string;
      /** Number of the linked interface's namespace in this one; -1: this one, or no link. */
      readonly peer: number;
      /** Its driver: `veth`, `vlan`, `bridge` …; empty: a hardware driver, or the kernel. */
      readonly driver: string;
      /** Number of the linked interface, its other end or the one below; 0: none. */
      readonly link: number;
      /** Number of the bridge, bond … that has it as a port; 0: none. */
      readonly master: number;
    }
  | { readonly kind: 'link-gone'; readonly index: number }
  | {
      readonly kind: 'address' | 'address-gone';
      readonly index: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'done' }
  /** The kernel ran out of room and dropped messages. */
  | { readonly kind: 'overrun' }
  /** Error number; 0 is an acknowledgement. */
  | { readonly kind: 'error'; readonly errno: number };

export interface NetlinkMessage {
  /** Sequence of the request; a notification may have that of the program that made the change. */
  readonly sequence: number;
  /** Part of a dump, including its end. */
  readonly dumped: boolean;
  /** The dumped data changed meanwhile, so the dump has to be repeated. */
  readonly interrupted: boolean;
  readonly event: NetlinkEvent;
}

/** Whether a datagram answers a request, by its first message: part of a dump, or an error. */
export function isAnswer(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  return (bytes[FLAGS_AT]! & NLM_F_MULTI) !== 0 || bytes[TYPE_AT] === NLMSG_ERROR;
}

/** A request for all interfaces or all addresses of the socket's namespace. */
export function encodeDump(what: 'links' | 'addresses', sequence: number): Uint8Array {
  const body = what === 'links' ? LINK_BYTES : ADDRESS_BYTES;
  const bytes = new Uint8Array(HEADER_BYTES + body);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, what === 'links' ? RTM_GETLINK : RTM_GETADDR, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  view.setUint32(8, sequence, true);
  return bytes;
}

/**
 * Messages of one datagram. Irrelevant kinds are left out; a message whose lengths contradict each
 * other ends the reading with a coded error.
 */
export function decodeNetlink(bytes: Uint8Array): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: NetlinkMessage[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.length) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) {
      throw new NetobservError(
        AGENT_ERRORS.netlink,
        `netlink message at byte ${at} says it has ${length} bytes, of ${bytes.length - at} left`,
      );
    }
    const event = decodeMessage(bytes, view, at, at + length);
    if (event !== undefined) {
      const flags = view.getUint16(at + 6, true);
      messages.push({
        sequence: view.getUint32(at + 8, true),
        dumped: (flags & NLM_F_MULTI) !== 0,
        interrupted: (flags & NLM_F_DUMP_INTR) !== 0,
        event,
      });
    }
    at += align4(length);
  }
  return messages;
}

function decodeMessage(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): NetlinkEvent | undefined {
  const body = start + HEADER_BYTES;
  switch (view.getUint16(start + 4, true)) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return decodeLink(bytes, view, start, end);
    case RTM_NEWADDR:
      return decodeAddress('address', bytes, view, { body, end });
    case RTM_DELADDR:
      return decodeAddress('address-gone', bytes, view, { body, end });
    case NLMSG_DONE:
      return { kind: 'done' };
    case NLMSG_OVERRUN:
      return { kind: 'overrun' };
    case NLMSG_ERROR:
      return body + 4 <= end ? { kind: 'error', errno: -view.getInt32(body, true) } : undefined;
    default:
      return undefined;
  }
}

function decodeLink(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): NetlinkEvent | undefined {
  const body = start + HEADER_BYTES;
  if (body + LINK_BYTES > end) return undefined;
  // A bridge reports its ports in messages of its own family: RTM_DELLINK there means that the port
  // has left the bridge, not that it is gone.
  if (bytes[body] !== AF_UNSPEC) return undefined;
  const index = view.getInt32(body + 4, true);
  if (view.getUint16(start + 4, true) === RTM_DELLINK) return { kind: 'link-gone', index };

  let name = '';
  let mac = '';
  let peer = -1;
  let driver = '';
  let link = 0;
  let master = 0;
  for (const attribute of attributes(view, body + LINK_BYTES, end)) {
    const value = bytes.subarray(attribute.start, attribute.end);
    if (attribute.type === IFLA_IFNAME) name = cString(value);
    else if (attribute.type === IFLA_ADDRESS) mac = hexColons(value);
    else if (attribute.type === IFLA_LINK_NETNSID && value.length === 4) {
      peer = view.getInt32(attribute.start, true);
    } else if (attribute.type === IFLA_LINK && value.length === 4) {
      link = view.getInt32(attribute.start, true);
    } else if (attribute.type === IFLA_MASTER && value.length === 4) {
      master = view.getInt32(attribute.start, true);
    } else if (attribute.type === IFLA_LINKINFO) {
      driver = kindOf(bytes, view, attribute);
    }
  }
  // Wireless events come as RTM_NEWLINK without a name: nothing relevant here has changed.
  if (name === '') return undefined;
  const up = (view.getUint32(body + 8, true) & IFF_UP) !== 0;
  const type = view.getUint16(body + 2, true);
  return { kind: 'link', index, name, type, up, mac, peer, driver, link, master };
}

/** The driver, from the attributes in IFLA_LINKINFO. */
function kindOf(bytes: Uint8Array, view: DataView, info: Attribute): string {
  for (const { type, start, end } of attributes(view, info.start, info.end)) {
    if (type === IFLA_INFO_KIND) return cString(bytes.subarray(start, end));
  }
  return '';
}

function decodeAddress(
  kind: 'address' | 'address-gone',
  bytes: Uint8Array,
  view: DataView,
  range: { readonly body: number; readonly end: number },
): NetlinkEvent | undefined {
  if (range.body + ADDRESS_BYTES > range.end) return undefined;
  let own: Uint8Array | undefined;
  for (const attribute of attributes(view, range.body + ADDRESS_BYTES, range.end)) {
    const value = mapped(bytes.subarray(attribute.start, attribute.end));
    // On a point-to-point interface IFA_ADDRESS is the other end and IFA_LOCAL ours.
    if (attribute.type === IFA_LOCAL) own = value ?? own;
    else if (attribute.type === IFA_ADDRESS) own ??= value;
  }
  if (own === undefined) return undefined;
  return { kind, index: view.getUint32(range.body + 4, true), bytes: own };
}

export interface Attribute {
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

/** Stops at the first attribute that does not fit: earlier attributes are still valid. */
export function* attributes(view: DataView, start: number, end: number): Generator<Attribute> {
  let at = start;
  while (at + ATTRIBUTE_BYTES <= end) {
    const length = view.getUint16(at, true);
    if (length < ATTRIBUTE_BYTES || at + length > end) return;
    const type = view.getUint16(at + 2, true) & ATTRIBUTE_TYPE_MASK;
    yield { type, start: at + ATTRIBUTE_BYTES, end: at + length };
    at += align4(length);
  }
}

/** 16 bytes, copied; undefined if the length is not that of an address. */
function mapped(value: Uint8Array): Uint8Array | undefined {
  if (value.length === 16) return value.slice();
  if (value.length !== 4) return undefined;
  const bytes = new Uint8Array(16);
  bytes.fill(0xff, 10, 12);
  bytes.set(value, 12);
  return bytes;
}

export function cString(value: Uint8Array): string {
  const zero = value.indexOf(0);
  // The kernel allows all characters except blanks, slashes and colons in a name.
  return printable(Buffer.from(zero < 0 ? value : value.subarray(0, zero)).toString('utf8'));
}

function hexColons(value: Uint8Array): string {
  return Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export function align4(length: number): number {
  return (length + 3) & ~3;
}
