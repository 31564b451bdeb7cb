import type { ErrorRow } from '../../base/errors.ts';
import { EtherType, hasPorts, Protocol } from '../../flow/enums.ts';
import { padded, word32 } from './bytes.ts';
import { PACKET, SAMPLE, SAMPLE_NUMBERS, slotsOf } from './columns.ts';
import { Dissector } from './dissector.ts';
import { SFLOW_ERRORS } from './errors.ts';
import { Numbers } from './numbers.ts';
import type { Packet } from './packet.ts';
import { Route } from './route.ts';
import { ETHERNET } from './tunnel-header.ts';

/** Standard formats of flow records. */
const Format = {
  Header: 1,
  Ethernet: 2,
  V4: 3,
  V6: 4,
  Switch: 1001,
  Router: 1002,
  Gateway: 1003,
} as const;

type RecordName = keyof typeof Format;
const NAMES = Object.keys(Format) as readonly RecordName[];
const RECORD = slotsOf(NAMES);
/** Octets that a record has at least. */
const MIN_BYTES: Readonly<Record<RecordName, number>> = {
  ...{ Header: 16, Ethernet: 24, V4: 32, V6: 56, Switch: 16, Router: 12, Gateway: 28 },
};
const RECORD_MIN_BYTES = Uint32Array.from(NAMES, (name) => MIN_BYTES[name]);

const WORD_BYTES = 4;
const RECORD_HEAD_BYTES = 8;
/** Up to the first record. */
const COMPACT_BYTES = 32;
const EXPANDED_BYTES = 44;

/** Formats of an interface: an index, a discarded packet, several interfaces. */
const SINGLE = 0;
const DISCARDED = 1;
/** The agent itself, where there is no interface. */
const INTERNAL = 0x3fff_ffff;
/** RFC 7270: dropped, for an unknown reason. */
const STATUS_DROPPED = 128;

/** Records and headers that were passed over. */
export interface Skips {
  /** Counter samples without counters of an interface, or whose counters were not wanted. */
  counters: number;
  /** Samples of other formats. */
  samples: number;
  /** Records of flow samples. */
  records: number;
  /** Raw headers of other protocols. */
  headers: number;
}

/** One flow sample, in the form of columns. One object serves all samples. */
export class Sample {
  readonly numbers = new Numbers(SAMPLE_NUMBERS);
  readonly dissector = new Dissector();
  packet: Packet = this.dissector.outer;
  readonly route = new Route();
  /** The data source: its type and index, as one word if the sample is not expanded. */
  sourceType = 0;
  sourceIndex = 0;
  /** Samples that the agent has lost since it started, of this source. */
  drops = 0;
  /** Records that are there, a bit for each place; the first one of a format counts. */
  #records = 0;
  /** Where they are, by `RECORD`. */
  readonly #starts = new Uint32Array(NAMES.length);
  readonly #ends = new Uint32Array(NAMES.length);

  /** Reads a flow sample in `bytes[at, end)`. An error refuses the sample. */
  read(
    bytes: Uint8Array,
    at: number,
    end: number,
    isExpanded: boolean,
    skips: Skips,
  ): ErrorRow | undefined {
    this.#clear();
    const headBytes = isExpanded ? EXPANDED_BYTES : COMPACT_BYTES;
    if (end - at < headBytes) return SFLOW_ERRORS.truncated;
    if (isExpanded) this.#expandedHead(bytes, at);
    else this.#compactHead(bytes, at);
    const first = at + headBytes;
    const problem = this.#find(bytes, first, end, word32(bytes, first - WORD_BYTES), skips);
    if (problem !== undefined) return problem;
    return this.#readHeader(bytes, skips) ?? this.#readRecords(bytes);
  }

  #clear(): void {
    this.numbers.clear();
    this.dissector.clear();
    this.packet = this.dissector.outer;
    this.route.clear();
    this.#records = 0;
  }

  #has(record: number): boolean {
    return ((this.#records >>> record) & 1) === 1;
  }

  #compactHead(bytes: Uint8Array, at: number): void {
    const source = word32(bytes, at + 4);
    this.sourceType = source >>> 24;
    this.sourceIndex = source & 0xff_ffff;
    this.#setRate(word32(bytes, at + 8));
    this.drops = word32(bytes, at + 16);
    const input = word32(bytes, at + 20);
    const output = word32(bytes, at + 24);
    this.#setInterface(SAMPLE.InIf, input >>> 30, input & INTERNAL);
    this.#setInterface(SAMPLE.OutIf, output >>> 30, output & INTERNAL);
  }

  #expandedHead(bytes: Uint8Array, at: number): void {
    this.sourceType = word32(bytes, at + 4);
    this.sourceIndex = word32(bytes, at + 8);
    this.#setRate(word32(bytes, at + 12));
    this.drops = word32(bytes, at + 20);
    this.#setInterface(SAMPLE.InIf, word32(bytes, at + 24), word32(bytes, at + 28));
    this.#setInterface(SAMPLE.OutIf, word32(bytes, at + 32), word32(bytes, at + 36));
  }

  #setRate(rate: number): void {
    this.numbers.set(SAMPLE.Packets, 1);
    if (rate > 0) this.numbers.set(SAMPLE.SamplingRate, rate);
  }

  #setInterface(slot: number, format: number, value: number): void {
    if (format === SINGLE && value !== 0 && value !== INTERNAL) this.numbers.set(slot, value);
    if (format === DISCARDED) this.numbers.set(SAMPLE.ForwardingStatus, STATUS_DROPPED);
  }

  /** Notes where the records are. */
  #find(
    bytes: Uint8Array,
    first: number,
    end: number,
    count: number,
    skips: Skips,
  ): ErrorRow | undefined {
    let at = first;
    for (let left = count; left > 0; left--) {
      if (end - at < RECORD_HEAD_BYTES) return SFLOW_ERRORS.truncated;
      const slot = recordOf(word32(bytes, at));
      const length = word32(bytes, at + 4);
      const body = at + RECORD_HEAD_BYTES;
      at = body + padded(length);
      if (at > end) return SFLOW_ERRORS.truncated;
      if (slot === -1) skips.records++;
      else if (!this.#has(slot)) {
        if (length < RECORD_MIN_BYTES[slot]!) return SFLOW_ERRORS.truncated;
        this.#records |= 1 << slot;
        this.#starts[slot] = body;
        this.#ends[slot] = body + length;
      }
    }
    return undefined;
  }

  /** The beginning of the packet itself, which has more than the records made from it. */
  #readHeader(bytes: Uint8Array, skips: Skips): ErrorRow | undefined {
    if (!this.#has(RECORD.Header)) return undefined;
    const at = this.#starts[RECORD.Header]!;
    const headerAt = at + 4 * WORD_BYTES;
    const length = word32(bytes, headerAt - WORD_BYTES);
    if (headerAt + padded(length) > this.#ends[RECORD.Header]!) return SFLOW_ERRORS.truncated;
    this.numbers.set(SAMPLE.Bytes, word32(bytes, at + 4));
    const type = headerType(word32(bytes, at));
    if (type === undefined) skips.headers++;
    else this.packet = this.dissector.read(bytes, headerAt, headerAt + length, type);
    return undefined;
  }

  #readRecords(bytes: Uint8Array): ErrorRow | undefined {
    const starts = this.#starts;
    // From the outside in: the length of the frame rather than that of the IP packet.
    if (this.#has(RECORD.Ethernet)) this.#readEthernet(bytes, starts[RECORD.Ethernet]!);
    if (this.#has(RECORD.V4)) this.#readIp(bytes, starts[RECORD.V4]!, EtherType.IPv4);
    if (this.#has(RECORD.V6)) this.#readIp(bytes, starts[RECORD.V6]!, EtherType.IPv6);
    if (this.#has(RECORD.Switch)) this.#readSwitch(bytes, starts[RECORD.Switch]!);
    const router = starts[RECORD.Router]!;
    const gateway = starts[RECORD.Gateway]!;
    let problem: ErrorRow | undefined;
    if (this.#has(RECORD.Router))
      problem = this.route.readRouter(bytes, router, this.#ends[RECORD.Router]!);
    if (problem !== undefined || !this.#has(RECORD.Gateway)) return problem;
    return this.route.readGateway(bytes, gateway, this.#ends[RECORD.Gateway]!);
  }

  #setBytes(bytes: number): void {
    if (!this.numbers.has(SAMPLE.Bytes)) this.numbers.set(SAMPLE.Bytes, bytes);
  }

  /** Octets of the frame, source, destination (each padded to 8 octets), type. */
  #readEthernet(bytes: Uint8Array, at: number): void {
    const { packet } = this;
    this.#setBytes(word32(bytes, at));
    if (!packet.hasMacs) packet.setMacs(bytes, at + 4, at + 12);
    const { numbers } = packet;
    const type = word32(bytes, at + 20);
    if (!numbers.has(PACKET.Etype) && type !== 0) numbers.set(PACKET.Etype, type);
  }

  /** Octets of the packet, protocol, addresses, ports, TCP flags, type of service. */
  #readIp(bytes: Uint8Array, at: number, type: number): void {
    const { packet } = this;
    this.#setBytes(word32(bytes, at));
    if (packet.hasAddresses) return;
    const { numbers } = packet;
    const addresses = at + 2 * WORD_BYTES;
    const protocol = word32(bytes, at + 4);
    numbers.set(PACKET.Etype, type);
    numbers.set(PACKET.Proto, protocol);
    const isV4 = type === EtherType.IPv4;
    if (isV4) packet.setV4(bytes, addresses);
    else packet.setV6(bytes, addresses);
    const rest = addresses + (isV4 ? 8 : 32);
    if (hasPorts(protocol)) {
      numbers.set(PACKET.SrcPort, word32(bytes, rest));
      numbers.set(PACKET.DstPort, word32(bytes, rest + 4));
    }
    if (protocol === Protocol.TCP) {
      packet.setTcpFlags(word32(bytes, rest + 8));
    }
    packet.setTos(word32(bytes, rest + 12) & 0xff);
  }

  #readSwitch(bytes: Uint8Array, at: number): void {
    const vlan = word32(bytes, at);
    const { numbers } = this.packet;
    this.numbers.set(SAMPLE.SrcVlan, vlan);
    this.numbers.set(SAMPLE.DstVlan, word32(bytes, at + 8));
    // Switches take off the tag before they sample.
    if (!numbers.has(PACKET.VlanId) && vlan !== 0) numbers.set(PACKET.VlanId, vlan);
  }
}

/** The type of a raw header by its protocol; undefined: it is not read. */
function headerType(protocol: number): number | undefined {
  switch (protocol) {
    case 1:
      return ETHERNET;
    case 11:
      return EtherType.IPv4;
    case 12:
      return EtherType.IPv6;
    default:
      return undefined;
  }
}

/** The place of a format in the lists of records; -1: it is not read. */
function recordOf(format: number): number {
  switch (format) {
    case Format.Header:
      return RECORD.Header;
    case Format.Ethernet:
      return RECORD.Ethernet;
    case Format.V4:
      return RECORD.V4;
    case Format.V6:
      return RECORD.V6;
    case Format.Switch:
      return RECORD.Switch;
    case Format.Router:
      return RECORD.Router;
    case Format.Gateway:
      return RECORD.Gateway;
    default:
      // The upper 20 bits are an enterprise, 0 for the standard.
      return -1;
  }
}
