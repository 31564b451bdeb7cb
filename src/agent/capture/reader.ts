import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import {
  type CaptureInterface,
  LINK_ETHERNET,
  LINK_RAW_IP,
  type PacketBatch,
} from '../../codec/pcap/packets.ts';
import { capturedPacket } from '../drain/layout.gen.ts';
import { type InterfaceNames, UNKNOWN_INTERFACE } from '../interfaces/names.ts';
import type { BpfObject, Native } from '../loader/native.ts';
import { CAPTURE_BYTES_MAX, CAPTURE_MAP } from '../loader/object.ts';
import { WallClock } from '../wall-clock.ts';

/** Packets in one batch. A record has at least its header and the minimum payload area. */
const BATCH_PACKETS_MAX = 4096;
/** Size of the buffer for records; the longest record fits several times. */
const BUFFER_BYTES = 1024 * 1024;
/** Buffers that are filled in one turn. */
const READS_PER_TURN = 4;
/** The length before each record in the buffer, as 64 bits. */
const LENGTH_BYTES = 8;
const RECORD_BYTES_MAX = capturedPacket.sizeBytes + CAPTURE_BYTES_MAX;
const RECORD_BYTES_MIN = LENGTH_BYTES + capturedPacket.sizeBytes + 128;

/** Distinct names of interfaces; beyond this many, packets belong to an unknown interface. */
const PLACES_MAX = 65_536;

/** A frame begins with its destination, then its source. */
const MAC_BYTES = 6;
const MACS_BYTES = 2 * MAC_BYTES;

const WORD = 2 ** 32;

export interface PacketReaderDeps {
  readonly native: Native;
  readonly object: BpfObject;
  readonly names: InterfaceNames;
  readonly clock: Clock;
  readonly kernelMonotonicMs: () => number;
}

/** Packets of a batch and their bytes on the wire. */
export interface PacketAmount {
  readonly packets: number;
  readonly bytes: number;
}

/** Reads packets from the ring buffer, as columns over one reused buffer. */
export class PacketReader {
  readonly #deps: PacketReaderDeps;
  readonly #wall: WallClock;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  readonly #columns = {
    starts: new Uint32Array(BATCH_PACKETS_MAX),
    lengths: new Uint32Array(BATCH_PACKETS_MAX),
    originals: new Uint32Array(BATCH_PACKETS_MAX),
    tags: new Uint32Array(BATCH_PACKETS_MAX),
    seconds: new Float64Array(BATCH_PACKETS_MAX),
    nanoseconds: new Uint32Array(BATCH_PACKETS_MAX),
    places: new Uint32Array(BATCH_PACKETS_MAX),
    directions: new Uint8Array(BATCH_PACKETS_MAX),
  };
  readonly #interfaces: CaptureInterface[] = [];
  /** Places by name, of each kind of link layer. */
  readonly #places: ReadonlyMap<number, Map<string, number>> = new Map([
    [LINK_ETHERNET, new Map()],
    [LINK_RAW_IP, new Map()],
  ]);

  constructor(deps: PacketReaderDeps) {
    assert(
      BUFFER_BYTES / RECORD_BYTES_MIN < 2 * BATCH_PACKETS_MAX,
      'a batch is not much too small',
    );
    this.#deps = deps;
    this.#wall = new WallClock(deps.clock, deps.kernelMonotonicMs);
  }

  /**
   * Hands over the packets that are there, batch by batch. True: there may be more, after others
   * have had their turn.
   */
  read(take: (batch: PacketBatch, amount: PacketAmount) => void): boolean {
    const { native, object } = this.#deps;
    for (let turn = 0; turn < READS_PER_TURN; turn++) {
      const used = native.readRing(object, CAPTURE_MAP, this.#buffer, RECORD_BYTES_MAX);
      if (used === 0) return false;
      this.#wall.adjust();
      for (let at = 0; at < used; ) at = this.#decode(at, used, take);
    }
    return true;
  }

  /** Fills one batch from the records at `from`; returns where the next one begins. */
  #decode(
    from: number,
    end: number,
    take: (batch: PacketBatch, amount: PacketAmount) => void,
  ): number {
    let at = from;
    let row = 0;
    let packets = 0;
    let bytes = 0;
    while (at < end && row < BATCH_PACKETS_MAX) {
      const record = at + LENGTH_BYTES;
      this.#decodeRecord(record, row);
      packets += this.#view.getUint32(record + capturedPacket.wirePackets, true);
      bytes += this.#view.getUint32(record + capturedPacket.wireBytes, true);
      // Records are multiples of 8 bytes long.
      at = record + this.#view.getUint32(at, true);
      row++;
    }
    const batch = { count: row, bytes: this.#buffer, interfaces: this.#interfaces };
    take({ ...batch, ...this.#columns }, { packets, bytes });
    return at;
  }

  #decodeRecord(record: number, row: number): void {
    const view = this.#view;
    const { starts, lengths, originals, tags, seconds, nanoseconds, places, directions } =
      this.#columns;
    starts[row] = record + capturedPacket.sizeBytes;
    lengths[row] = view.getUint32(record + capturedPacket.length, true);
    originals[row] = view.getUint32(record + capturedPacket.original, true);
    const tci = view.getUint16(record + capturedPacket.vlanTci, true);
    tags[row] = (view.getUint16(record + capturedPacket.vlanProtocol, true) << 16) | tci;
    const low = view.getUint32(record + capturedPacket.timeNs, true);
    const high = view.getUint32(record + capturedPacket.timeNs + 4, true);
    this.#wall.tell(high * WORD + low);
    seconds[row] = this.#wall.seconds;
    nanoseconds[row] = this.#wall.nanoseconds;
    directions[row] = view.getUint8(record + capturedPacket.egress);
    const hasL2 = view.getUint8(record + capturedPacket.hasL2) === 1;
    const hasMacs = hasL2 && lengths[row]! >= MACS_BYTES;
    places[row] = this.#placeOf(this.#nameOf(record, hasMacs), hasL2 ? LINK_ETHERNET : LINK_RAW_IP);
  }

  /** The interface's current name; its MAC is the source on egress, the destination on ingress. */
  #nameOf(record: number, hasMacs: boolean): string {
    const view = this.#view;
    const isEgress = view.getUint8(record + capturedPacket.egress) !== 0;
    const mac = record + capturedPacket.sizeBytes + (isEgress ? MAC_BYTES : 0);
    return this.#deps.names.nameOf(
      view.getUint32(record + capturedPacket.netns, true),
      view.getUint32(record + capturedPacket.ifindex, true),
      hasMacs ? view.getUint32(mac, true) : 0,
      hasMacs ? view.getUint16(mac + 4, true) : 0,
    );
  }

  #placeOf(name: string, linkType: number): number {
    const places = this.#places.get(linkType)!;
    const known = places.get(name);
    if (known !== undefined) return known;
    if (places.size >= PLACES_MAX && name !== UNKNOWN_INTERFACE) {
      return this.#placeOf(UNKNOWN_INTERFACE, linkType);
    }
    const place = this.#interfaces.length;
    this.#interfaces.push({ name, linkType });
    places.set(name, place);
    return place;
  }
}
