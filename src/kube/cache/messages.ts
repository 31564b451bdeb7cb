import { WIRE } from '../../codec/wire.ts';
import { WireReader } from '../../codec/wire-reader.ts';
import { ProtoWriter } from './proto-writer.ts';
import { ACK, REQUEST, SYNC, type SyncMessage, UPDATE } from './protocol.ts';

/** A message of changes, `CacheUpdate`, with its entries still encoded. */
export interface CacheUpdate {
  readonly version: number;
  readonly isSnapshot: boolean;
  /** See `OPERATION`. */
  readonly operation: number;
  readonly entries: readonly Uint8Array<ArrayBuffer>[];
}

/** Where to begin and to end, and how, is what readers of the same message share. */
export type FieldReader = (field: number, wire: number, reader: WireReader) => boolean;

const decoder = new TextDecoder();

export function writeSync(message: SyncMessage): Uint8Array {
  const inner = new ProtoWriter();
  const outer = new ProtoWriter();
  if (message.type === 'request') {
    inner.text(REQUEST.processorId, message.processorId);
    inner.number(REQUEST.lastVersion, message.lastVersion);
    outer.bytes(SYNC.request, inner.end());
  } else {
    inner.text(ACK.processorId, message.processorId);
    inner.number(ACK.version, message.version);
    inner.flag(ACK.success, message.error === '');
    inner.text(ACK.error, message.error);
    outer.bytes(SYNC.ack, inner.end());
  }
  return outer.end();
}

/** Undefined: neither a request nor an acknowledgement. Throws `ERR_CODEC_PROTOBUF_…`. */
export function readSync(bytes: Uint8Array): SyncMessage | undefined {
  let message: SyncMessage | undefined;
  readFields(bytes, (field, wire, reader) => {
    if (wire !== WIRE.bytes || (field !== SYNC.request && field !== SYNC.ack)) return false;
    message = field === SYNC.request ? readRequest(bytesOf(reader)) : readAck(bytesOf(reader));
    return true;
  });
  return message;
}

function readRequest(bytes: Uint8Array): SyncMessage {
  let processorId = '';
  let lastVersion = 0;
  readFields(bytes, (field, wire, reader) => {
    if (field === REQUEST.processorId && wire === WIRE.bytes) processorId = textOf(reader);
    else if (field === REQUEST.lastVersion && wire === WIRE.varint) lastVersion = reader.double();
    else return false;
    return true;
  });
  return { type: 'request', processorId, lastVersion };
}

function readAck(bytes: Uint8Array): SyncMessage {
  let processorId = '';
  let version = 0;
  let isApplied = false;
  let error = '';
  readFields(bytes, (field, wire, reader) => {
    if (field === ACK.processorId && wire === WIRE.bytes) processorId = textOf(reader);
    else if (field === ACK.version && wire === WIRE.varint) version = reader.double();
    else if (field === ACK.success && wire === WIRE.varint) isApplied = reader.double() !== 0;
    else if (field === ACK.error && wire === WIRE.bytes) error = textOf(reader);
    else return false;
    return true;
  });
  return { type: 'ack', processorId, version, error: isApplied ? '' : error || 'no reason given' };
}

/** Appends the entries as they are; `entries` has the parts of each. */
export function writeUpdate(
  { version, isSnapshot, operation }: Omit<CacheUpdate, 'entries'>,
  entries: readonly (readonly Uint8Array[])[],
): Uint8Array {
  const writer = new ProtoWriter();
  writer.number(UPDATE.version, version);
  writer.flag(UPDATE.isSnapshot, isSnapshot);
  for (const parts of entries) writer.bytes(UPDATE.entries, ...parts);
  writer.number(UPDATE.operation, operation);
  return writer.end();
}

/** Throws `ERR_CODEC_PROTOBUF_…`. */
export function readUpdate(bytes: Uint8Array): CacheUpdate {
  const entries: Uint8Array<ArrayBuffer>[] = [];
  let version = 0;
  let isSnapshot = false;
  let operation = 0;
  readFields(bytes, (field, wire, reader) => {
    if (field === UPDATE.version && wire === WIRE.varint) version = reader.double();
    else if (field === UPDATE.isSnapshot && wire === WIRE.varint) isSnapshot = reader.double() > 0;
    else if (field === UPDATE.operation && wire === WIRE.varint) operation = reader.double();
    else if (field === UPDATE.entries && wire === WIRE.bytes) entries.push(bytesOf(reader));
    else return false;
    return true;
  });
  return { version, isSnapshot, operation, entries };
}

/** Calls `read` for each field; what it returns false for is skipped. */
export function readFields(bytes: Uint8Array, read: FieldReader): void {
  const reader = new WireReader();
  reader.reset(bytes as Uint8Array<ArrayBuffer>, 0, bytes.length);
  while (reader.at < reader.end) {
    const tag = reader.tag();
    const wire = tag & 7;
    if (!read(tag >>> 3, wire, reader)) reader.skip(wire);
  }
}

/** The content of the field, not copied. */
export function bytesOf(reader: WireReader): Uint8Array<ArrayBuffer> {
  const end = reader.length();
  const bytes = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return bytes;
}

/** Unlike in flows, texts may be long, and are not refused if they are not UTF-8. */
export function textOf(reader: WireReader): string {
  return decoder.decode(bytesOf(reader));
}
