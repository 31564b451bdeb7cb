import { type ErrorRow, NetobservError } from '../../base/errors.ts';
import { formatAddress } from '../../base/ip.ts';
import type { ByteBuffer } from '../byte-buffer.ts';
import { writeDouble, writeUint } from '../varint.ts';
import { WireReader } from '../wire-reader.ts';
import { writeHead } from '../wire-writer.ts';
import type { DatagramSource } from './datagram.ts';
import { ENVELOPE_ERRORS } from './errors.ts';

/**
 * A datagram that is carried undecoded, as a message of protobuf: its bytes, and what only its
 * receiver knew. `deploy/reference/datagrams.md` shows the format to others who read or write it.
 */

/** Readers refuse other versions. Fields that they do not know are passed over. */
const VERSION = 1;
/** Bytes of the other fields, at most. */
export const ENVELOPE_BYTES_MAX = 64;

const ADDRESS_BYTES = 16;
const V4_BYTES = 4;
const PORT_MAX = 65_535;
/** The last moment that JavaScript has a date for. */
const TIME_MAX_MS = 8.64e15;

/** Tags of the fields: the number of the field, and its form on the wire. */
const TAG = {
  ...{ version: 0x08, address: 0x12, port: 0x18 },
  ...{ receivedMs: 0x20, listenPort: 0x28, payload: 0x32 },
} as const;

export interface Reception {
  /** 16 bytes, as those of `parseAddress`. */
  readonly address: Uint8Array;
  /** Port of the sender: for IPFIX, it tells sessions apart. */
  readonly port: number;
  /** Wall clock. */
  readonly receivedMs: number;
  readonly listenPort: number;
}

/** Appends a datagram in its envelope. */
export function writeEnvelope(output: ByteBuffer, payload: Uint8Array, from: Reception): void {
  output.reserve(ENVELOPE_BYTES_MAX + payload.length);
  writeNumber(output, TAG.version, VERSION);
  writeHead(output, TAG.address, ADDRESS_BYTES);
  output.copy(from.address, 0, ADDRESS_BYTES);
  writeNumber(output, TAG.port, from.port);
  output.bytes[output.length] = TAG.receivedMs;
  output.length = writeDouble(output.bytes, output.length + 1, from.receivedMs);
  writeNumber(output, TAG.listenPort, from.listenPort);
  writeHead(output, TAG.payload, payload.length);
  output.copy(payload, 0, payload.length);
}

function writeNumber(output: ByteBuffer, tag: number, value: number): void {
  output.bytes[output.length] = tag;
  output.length = writeUint(output.bytes, output.length + 1, value);
}

const NOTHING = new Uint8Array(0);

/** Opens envelopes; the next one overwrites the result. */
export class EnvelopeReader implements DatagramSource {
  readonly #wire = new WireReader();
  readonly #address = new Uint8Array(ADDRESS_BYTES);
  #version = 0;
  #addressBytes = 0;
  address = '';
  port = 0;
  receivedMs = 0;
  listenPort = 0;
  /** A part of the message. */
  payload: Uint8Array = NOTHING;

  /** Throws a coded error for what is not a datagram in an envelope. */
  open(message: Uint8Array<ArrayBuffer>): void {
    const wire = this.#wire;
    wire.reset(message, 0, message.length);
    this.#version = 0;
    this.#addressBytes = 0;
    this.port = 0;
    this.receivedMs = 0;
    this.listenPort = 0;
    this.payload = NOTHING;
    while (wire.at < wire.end) this.#field(wire.tag());
    if (this.#version !== VERSION) {
      throw envelopeError(ENVELOPE_ERRORS.version, `its version is not ${VERSION}`);
    }
    this.#check();
    this.address = formatAddress(this.#address);
  }

  #field(tag: number): void {
    const wire = this.#wire;
    switch (tag) {
      case TAG.version:
        this.#version = wire.double();
        return;
      case TAG.address:
        this.#setAddress(wire.length());
        return;
      case TAG.port:
        this.port = wire.double();
        return;
      case TAG.receivedMs:
        this.receivedMs = wire.double();
        return;
      case TAG.listenPort:
        this.listenPort = wire.double();
        return;
      case TAG.payload: {
        const end = wire.length();
        this.payload = wire.bytes.subarray(wire.at, end);
        wire.at = end;
        return;
      }
      default:
        wire.skip(tag & 7);
    }
  }

  /** IPv4 in 4 bytes, as others may write it, or either family in 16. */
  #setAddress(end: number): void {
    const wire = this.#wire;
    const length = end - wire.at;
    this.#addressBytes = length;
    if (length === ADDRESS_BYTES) this.#address.set(wire.bytes.subarray(wire.at, end));
    else if (length === V4_BYTES) {
      this.#address.fill(0);
      this.#address.fill(0xff, 10, 12);
      this.#address.set(wire.bytes.subarray(wire.at, end), ADDRESS_BYTES - V4_BYTES);
    }
    wire.at = end;
  }

  #check(): void {
    const length = this.#addressBytes;
    if (length !== ADDRESS_BYTES && length !== V4_BYTES) {
      const problem = `the address has ${length} bytes, and not ${V4_BYTES} or ${ADDRESS_BYTES}`;
      throw envelopeError(ENVELOPE_ERRORS.field, problem);
    }
    if (this.port > PORT_MAX || this.listenPort > PORT_MAX) {
      throw envelopeError(ENVELOPE_ERRORS.field, `a port is above ${PORT_MAX}`);
    }
    if (this.receivedMs === 0 || this.receivedMs > TIME_MAX_MS) {
      const problem = `the time ${this.receivedMs} is not in milliseconds since 1970`;
      throw envelopeError(ENVELOPE_ERRORS.field, problem);
    }
  }
}

function envelopeError(row: ErrorRow, problem: string): NetobservError {
  return new NetobservError(row, `a datagram of the topic: ${problem}`);
}
