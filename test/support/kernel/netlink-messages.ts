/** Netlink messages like the kernel's, for fakes and for the decoder's own tests. */

export interface LinkFields {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly up: boolean;
  readonly mac?: readonly number[];
  /** IFLA_LINK_NETNSID. */
  readonly peer?: number;
  /** IFLA_LINKINFO, its kind. */
  readonly driver?: string;
  readonly link?: number;
  readonly master?: number;
  readonly gone?: boolean;
  readonly family?: number;
  readonly sequence?: number;
  readonly interrupted?: boolean;
}

export function linkMessage(link: LinkFields): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setUint8(0, link.family ?? 0);
  view.setUint16(2, link.type, true);
  view.setInt32(4, link.index, true);
  view.setUint32(8, link.up ? 1 : 0, true);
  const attributes = [attribute(3, Buffer.from(`${link.name}\0`))];
  if (link.mac !== undefined) attributes.push(attribute(1, Uint8Array.from(link.mac)));
  if (link.peer !== undefined) attributes.push(attribute(37, int32(link.peer)));
  if (link.link !== undefined) attributes.push(attribute(5, int32(link.link)));
  if (link.master !== undefined) attributes.push(attribute(10, int32(link.master)));
  if (link.driver !== undefined) {
    attributes.push(attribute(18, attribute(1, Buffer.from(`${link.driver}\0`))));
  }
  const flags = dumpFlags(link);
  const type = link.gone === true ? 17 : 16;
  return message(type, flags, link.sequence ?? 0, [body, ...attributes]);
}

export function addressMessage(fields: {
  readonly index: number;
  readonly local: readonly number[];
  readonly peer?: readonly number[];
  readonly gone?: boolean;
  readonly sequence?: number;
  /** Sequence number of another socket's request that caused a notification. */
  readonly causedBy?: number;
}): Uint8Array {
  const body = new Uint8Array(8);
  new DataView(body.buffer).setUint32(4, fields.index, true);
  const isV4 = fields.local.length === 4;
  // IPv6 has only IFA_ADDRESS, unless there is a peer.
  const attributes =
    isV4 || fields.peer !== undefined
      ? [
          attribute(1, Uint8Array.from(fields.peer ?? fields.local)),
          attribute(2, Uint8Array.from(fields.local)),
        ]
      : [attribute(1, Uint8Array.from(fields.local))];
  return message(
    fields.gone === true ? 21 : 20,
    dumpFlags(fields),
    fields.sequence ?? fields.causedBy ?? 0,
    [body, ...attributes],
  );
}

/** Parts of a dump have its sequence number and NLM_F_MULTI. */
function dumpFlags(fields: { readonly sequence?: number; readonly interrupted?: boolean }): number {
  return (fields.sequence === undefined ? 0 : 0x2) | (fields.interrupted === true ? 0x10 : 0);
}

export function doneMessage(sequence: number, interrupted = false): Uint8Array {
  return message(3, interrupted ? 0x12 : 0x2, sequence, [new Uint8Array(4)]);
}

export function errorMessage(sequence: number, errno: number): Uint8Array {
  const body = new Uint8Array(20);
  new DataView(body.buffer).setInt32(0, -errno, true);
  return message(2, 0, sequence, [body]);
}

export function message(
  type: number,
  flags: number,
  sequence: number,
  parts: readonly Uint8Array[],
): Uint8Array {
  const body = Buffer.concat(parts);
  const bytes = new Uint8Array(align4(16 + body.length));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + body.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, 16);
  return bytes;
}

export function qdiscMessage(ifindex: number, kind: string, sequence: number): Uint8Array {
  const head = tcHead(ifindex, 0xffff0000, 0xfffffff1, 0);
  return message(36, 0x2, sequence, [head, attribute(1, Buffer.from(`${kind}\0`))]);
}

/** A filter of kind bpf, priority 1. */
export function filterMessage(filter: {
  readonly ifindex: number;
  readonly parent: number;
  readonly name: string;
  readonly program: number;
  readonly sequence: number;
}): Uint8Array {
  const options = Buffer.concat([
    attribute(7, Buffer.from(`${filter.name}\0`)),
    attribute(11, int32(filter.program)),
  ]);
  const head = tcHead(filter.ifindex, 0x6e6f62, filter.parent, 1 << 16);
  const attributes = [attribute(1, Buffer.from('bpf\0')), attribute(2, options)];
  return message(44, 0x2, filter.sequence, [head, ...attributes]);
}

function tcHead(ifindex: number, handle: number, parent: number, info: number): Uint8Array {
  const head = new Uint8Array(20);
  const view = new DataView(head.buffer);
  view.setInt32(4, ifindex, true);
  view.setUint32(8, handle, true);
  view.setUint32(12, parent, true);
  view.setUint32(16, info, true);
  return head;
}

export function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(align4(4 + value.length));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.length, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

function align4(length: number): number {
  return (length + 3) & ~3;
}
