import { align4, attributes, cString } from './netlink.ts';

/**
 * The part of rtnetlink for queueing disciplines and filters (tc(8)). Pure: requests and answers as
 * bytes. Integers are in host order, little-endian as everywhere here.
 */

const HEADER_BYTES = 16;
const TC_BYTES = 20;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const RTM_NEWQDISC = 36;
const RTM_GETQDISC = 38;
const RTM_NEWTFILTER = 44;
const RTM_GETTFILTER = 46;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;

const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_NAME = 7;
const TCA_BPF_ID = 11;

/** RTMGRP_TC: changes of qdiscs and filters. */
export const GROUP_TRAFFIC_CONTROL = 0x8;

/** Handle of the qdisc clsact, or the older ingress. */
export const CLSACT_HANDLE = 0xffff0000;
export const CLSACT_INGRESS = 0xfffffff2;
export const CLSACT_EGRESS = 0xfffffff3;

/** TCM_IFINDEX_MAGIC_BLOCK, in place of an interface: a block of filters that several may share. */
export const SHARED_BLOCK = -1;

export interface Qdisc {
  readonly ifindex: number;
  readonly handle: number;
  readonly kind: string;
}

export interface TcFilter {
  readonly ifindex: number;
  /** Its parent: CLSACT_INGRESS, CLSACT_EGRESS, or the handle of a qdisc. */
  readonly parent: number;
  readonly priority: number;
  readonly handle: number;
  readonly kind: string;
  /** Name of a filter of kind bpf. */
  readonly name: string;
  /** Id of its program; 0: none. */
  readonly program: number;
}

export type TcMessage =
  | { readonly kind: 'qdisc'; readonly sequence: number; readonly qdisc: Qdisc }
  | { readonly kind: 'filter'; readonly sequence: number; readonly filter: TcFilter }
  | { readonly kind: 'done'; readonly sequence: number; readonly errno: number };

/** All qdiscs of the socket's namespace. */
export function encodeQdiscDump(sequence: number): Uint8Array {
  return request(RTM_GETQDISC, sequence, 0, 0);
}

export function encodeFilterDump(sequence: number, ifindex: number, parent: number): Uint8Array {
  return request(RTM_GETTFILTER, sequence, ifindex, parent);
}

function request(type: number, sequence: number, ifindex: number, parent: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + TC_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  view.setUint32(8, sequence, true);
  view.setInt32(HEADER_BYTES + 4, ifindex, true);
  view.setUint32(HEADER_BYTES + 12, parent, true);
  return bytes;
}

/** Messages of one datagram; truncated messages, and those of other kinds, are left out. */
export function decodeTrafficControl(bytes: Uint8Array): readonly TcMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: TcMessage[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.length) break;
    const message = decodeMessage(bytes, view, at, at + length);
    if (message !== undefined) messages.push(message);
    at += align4(length);
  }
  return messages;
}

/** The interfaces in a datagram of GROUP_TRAFFIC_CONTROL, or SHARED_BLOCK. */
export function interfacesIn(bytes: Uint8Array): readonly number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Set<number>();
  for (let at = 0; at + HEADER_BYTES + TC_BYTES <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES + TC_BYTES || at + length > bytes.length) break;
    found.add(view.getInt32(at + HEADER_BYTES + 4, true));
    at += align4(length);
  }
  return [...found];
}

function decodeMessage(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): TcMessage | undefined {
  const type = view.getUint16(start + 4, true);
  const sequence = view.getUint32(start + 8, true);
  const body = start + HEADER_BYTES;
  if (type === NLMSG_DONE) return { kind: 'done', sequence, errno: 0 };
  if (type === NLMSG_ERROR && body + 4 <= end) {
    return { kind: 'done', sequence, errno: -view.getInt32(body, true) };
  }
  if ((type !== RTM_NEWQDISC && type !== RTM_NEWTFILTER) || body + TC_BYTES > end) return undefined;
  const ifindex = view.getInt32(body + 4, true);
  const handle = view.getUint32(body + 8, true);
  const described = describe(bytes, view, body + TC_BYTES, end);
  if (type === RTM_NEWQDISC) {
    return { kind: 'qdisc', sequence, qdisc: { ifindex, handle, kind: described.kind } };
  }
  const parent = view.getUint32(body + 12, true);
  // The priority is the upper half of the word that also has the protocol.
  const priority = view.getUint32(body + 16, true) >>> 16;
  return { kind: 'filter', sequence, filter: { ifindex, parent, priority, handle, ...described } };
}

function describe(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): Pick<TcFilter, 'kind' | 'name' | 'program'> {
  let kind = '';
  let name = '';
  let program = 0;
  for (const one of attributes(view, start, end)) {
    if (one.type === TCA_KIND) kind = cString(bytes.subarray(one.start, one.end));
    if (one.type !== TCA_OPTIONS || kind !== 'bpf') continue;
    for (const option of attributes(view, one.start, one.end)) {
      if (option.type === TCA_BPF_NAME) name = cString(bytes.subarray(option.start, option.end));
      if (option.type === TCA_BPF_ID && option.end - option.start === 4) {
        program = view.getUint32(option.start, true);
      }
    }
  }
  return { kind, name, program };
}
