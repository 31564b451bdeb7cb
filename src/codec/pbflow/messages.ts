import type { AddressTable } from '../../flow/intern.ts';
import { PROTOBUF_ERRORS, protobufError } from '../errors.ts';
import { WIRE } from '../wire.ts';
import type { WireReader } from '../wire-reader.ts';
import { PBFLOW_ERRORS } from './errors.ts';
import { EVENT, IP, SPAN } from './schema.ts';

const NANOS = 1e9;
/** Most keys of one network event that are read. */
const EVENT_KEYS_MAX = 64;

/**
 * A `Timestamp` or `Duration`, in parts of a second; the reader is positioned before its length.
 */
export function readSpan(reader: WireReader, unitsPerSecond: number): number {
  const outerEnd = reader.end;
  reader.end = reader.length();
  let seconds = 0;
  let nanos = 0;
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((SPAN.seconds << 3) | WIRE.varint)) seconds = reader.double();
    else if (tag === ((SPAN.nanos << 3) | WIRE.varint)) {
      reader.varint();
      nanos = Math.min(reader.low, NANOS);
    } else reader.skip(tag & 7);
  }
  reader.end = outerEnd;
  const scale = NANOS / unitsPerSecond;
  // A single division rounds once, so that the decimal fraction is preserved.
  const inNanos = seconds * NANOS + nanos;
  if (inNanos <= Number.MAX_SAFE_INTEGER) return inNanos / scale;
  // A value that doubles cannot count exactly, or before 1970, is not a valid time.
  if (seconds * unitsPerSecond > Number.MAX_SAFE_INTEGER) return 0;
  return seconds * unitsPerSecond + nanos / scale;
}

/** Reads `IP` messages, one after the other. */
export class AddressReader {
  /** Id of the last address; 0: the message has no address. */
  id = 0;
  isZero = false;
  readonly #words = new Uint32Array(4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  /** The reader is positioned before the message's length. */
  read(reader: WireReader, table: AddressTable): void {
    const outerEnd = reader.end;
    reader.end = reader.length();
    this.id = 0;
    this.isZero = false;
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === ((IP.ipv4 << 3) | WIRE.fixed32)) this.#readV4(reader, table);
      else if (tag === ((IP.ipv6 << 3) | WIRE.bytes)) this.#readV6(reader, table);
      else reader.skip(tag & 7);
    }
    reader.end = outerEnd;
  }

  #readV4(reader: WireReader, table: AddressTable): void {
    const value = reader.fixed32();
    const bytes = this.#bytes;
    bytes.fill(0, 0, 10);
    bytes.fill(0xff, 10, 12);
    bytes[12] = value >>> 24;
    bytes[13] = value >>> 16;
    bytes[14] = value >>> 8;
    bytes[15] = value;
    this.id = table.internWords(this.#words, 0);
    this.isZero = value === 0;
  }

  #readV6(reader: WireReader, table: AddressTable): void {
    const start = reader.at;
    const end = reader.length();
    const length = end - reader.at;
    // Agents that do not know their own address send none.
    if (length === 0) return;
    if (length !== this.#bytes.length) {
      throw protobufError(PBFLOW_ERRORS.address, `an IPv6 address has ${length} bytes`, start);
    }
    this.#bytes.set(reader.bytes.subarray(reader.at, end));
    reader.at = end;
    this.id = table.internWords(this.#words, 0);
    this.isZero = this.#words.every((word) => word === 0);
  }
}

/** Reads a `NetworkEvent`: the map's entries, one after the other. */
export function readEvent(reader: WireReader): Readonly<Record<string, string>> {
  const outerEnd = reader.end;
  const start = reader.at;
  reader.end = reader.length();
  const pairs = new Map<string, string>();
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag !== ((EVENT.entries << 3) | WIRE.bytes)) {
      reader.skip(tag & 7);
      continue;
    }
    const eventEnd = reader.end;
    reader.end = reader.length();
    const [key, value] = readPair(reader);
    reader.end = eventEnd;
    pairs.set(key, value);
    if (pairs.size > EVENT_KEYS_MAX) {
      throw protobufError(
        PROTOBUF_ERRORS.tooLong,
        `an event has over ${EVENT_KEYS_MAX} keys`,
        start,
      );
    }
  }
  reader.end = outerEnd;
  return Object.fromEntries(pairs);
}

function readPair(reader: WireReader): readonly [string, string] {
  let key = '';
  let value = '';
  while (reader.at < reader.end) {
    const tag = reader.tag();
    if (tag === ((EVENT.key << 3) | WIRE.bytes)) key = reader.text();
    else if (tag === ((EVENT.value << 3) | WIRE.bytes)) value = reader.text();
    else reader.skip(tag & 7);
  }
  return [key, value];
}
