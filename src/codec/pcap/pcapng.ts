import {
  type CaptureInterface,
  frameBytes,
  originalBytes,
  type PacketBatch,
  TAG_BYTES,
  writeFrame,
} from './packets.ts';

/** PCAP Next Generation (IETF draft-ietf-opsawg-pcapng), little-endian, one section. */
const Block = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const UNKNOWN_LENGTH = 0xffff_ffff;

const Option = {
  end: 0,
  /** Options of the section. */
  application: 4,
  /** Options of an interface. */
  name: 2,
  resolution: 9,
  /** Options of a packet: the low bits of its flags are the direction. */
  flags: 2,
  /** Options of statistics. */
  received: 4,
  droppedByHost: 7,
} as const;

const INBOUND = 1;
const OUTBOUND = 2;
/** Units of time stamps are 10^-9 seconds. */
const NANOSECONDS = 9;
const NS_PER_SECOND = 1_000_000_000;
const WORD = 2 ** 32;

/** Type, length, length again. */
const BLOCK_BYTES = 12;
const OPTION_BYTES = 4;
const PACKET_FIXED_BYTES = 20;
const FLAGS_OPTION_BYTES = 8;
const PACKET_OVERHEAD_BYTES = BLOCK_BYTES + PACKET_FIXED_BYTES + FLAGS_OPTION_BYTES + OPTION_BYTES;
const BUFFER_BYTES_MIN = 64 * 1024;

export interface CaptureLosses {
  /** Packets without a record, since earlier records were not read in time. */
  readonly packets: number;
}

/** Writes a capture piece by piece into a buffer that is reused for the next piece. */
export class PcapngWriter {
  readonly #snapLength: number;
  #bytes = new Uint8Array(BUFFER_BYTES_MIN);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Packets by interface; each interface already has its block. */
  #received: number[] = [];
  #receivedBefore: readonly number[] = [];

  /** `snapLength`: most bytes kept of a packet. */
  constructor(snapLength: number) {
    this.#snapLength = snapLength;
  }

  /** The bytes written since `clear`; valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
    this.#receivedBefore = [...this.#received];
  }

  /** Discards everything written since `clear`: it does not get into the file. */
  takeBack(): void {
    this.#length = 0;
    this.#received = [...this.#receivedBefore];
  }

  /** Writes the head of the file: once, before anything else. */
  writeHeader(application: string): void {
    const start = this.#begin(Block.section, 16 + textBytes(application));
    this.#u32(BYTE_ORDER_MAGIC);
    this.#u16(1);
    this.#u16(0);
    // The section's length, which is unknown in a stream.
    this.#u32(UNKNOWN_LENGTH);
    this.#u32(UNKNOWN_LENGTH);
    this.#textOption(Option.application, application);
    this.#u32(Option.end);
    this.#end(start);
  }

  /** Writes a batch's packets, preceded by interfaces that are new. */
  writePackets(batch: PacketBatch): void {
    for (const one of batch.interfaces.slice(this.#received.length)) this.#writeInterface(one);
    for (let row = 0; row < batch.count; row++) this.#writePacket(batch, row);
  }

  /** Writes the number of packets of each interface, and the number of all lost packets. */
  writeStatistics(nowMs: number, { packets }: CaptureLosses): void {
    // Readers built on libpcap reject a file without interfaces.
    if (this.#received.length === 0) this.#writeInterface({ name: 'none', linkType: 1 });
    for (const [id, received] of this.#received.entries()) {
      const start = this.#begin(Block.statistics, 12 + 3 * (OPTION_BYTES + 8));
      this.#u32(id);
      this.#time(Math.floor(nowMs / 1000), Math.floor((nowMs % 1000) * 1e6));
      this.#u64Option(Option.received, received);
      // The interface is unknown: the loss is reported once, so that sums over interfaces are
      // right.
      if (id === 0) this.#u64Option(Option.droppedByHost, packets);
      this.#u32(Option.end);
      this.#end(start);
    }
  }

  #writeInterface({ name, linkType }: CaptureInterface): void {
    const start = this.#begin(Block.interface, 8 + textBytes(name) + FLAGS_OPTION_BYTES);
    this.#u16(linkType);
    this.#u16(0);
    // Readers reject longer packets, and a tag is put back after the packet was cut.
    this.#u32(this.#snapLength + TAG_BYTES);
    this.#textOption(Option.name, name);
    this.#u16(Option.resolution);
    this.#u16(1);
    this.#u32(NANOSECONDS);
    this.#u32(Option.end);
    this.#end(start);
    this.#received.push(0);
  }

  #writePacket(batch: PacketBatch, row: number): void {
    const place = batch.places[row]!;
    const length = frameBytes(batch, row);
    const start = this.#begin(Block.packet, PACKET_OVERHEAD_BYTES + length);
    this.#u32(place);
    this.#time(batch.seconds[row]!, batch.nanoseconds[row]!);
    this.#u32(length);
    this.#u32(originalBytes(batch, row));
    this.#length = writeFrame(batch, row, this.#bytes, this.#length);
    this.#pad();
    this.#u16(Option.flags);
    this.#u16(4);
    this.#u32(batch.directions[row] === 0 ? INBOUND : OUTBOUND);
    this.#u32(Option.end);
    this.#end(start);
    this.#received[place]!++;
  }

  /** Makes room for a block with up to `bodyBytes` besides its frame; returns where it begins. */
  #begin(type: number, bodyBytes: number): number {
    const needed = this.#length + BLOCK_BYTES + bodyBytes + OPTION_BYTES + TAG_BYTES + 4;
    if (needed > this.#bytes.length) this.#grow(needed);
    const start = this.#length;
    this.#u32(type);
    this.#u32(0);
    return start;
  }

  #end(start: number): void {
    const length = this.#length + 4 - start;
    this.#u32(length);
    this.#view.setUint32(start + 4, length, true);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    bytes.set(this.bytes());
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  /** 64 bits in units of nanoseconds, the high half first. Exact: the product is split. */
  #time(seconds: number, nanoseconds: number): void {
    const highSeconds = Math.floor(seconds / 2 ** 16);
    const lowProduct = (seconds % 2 ** 16) * NS_PER_SECOND + nanoseconds;
    const middle = highSeconds * NS_PER_SECOND + Math.floor(lowProduct / 2 ** 16);
    this.#u32(Math.floor(middle / 2 ** 16));
    this.#u32((middle % 2 ** 16) * 2 ** 16 + (lowProduct % 2 ** 16));
  }

  #u64Option(code: number, value: number): void {
    this.#u16(code);
    this.#u16(8);
    this.#u32(value % WORD);
    this.#u32(Math.floor(value / WORD));
  }

  /** ASCII only: names of interfaces and of this program are ASCII. */
  #textOption(code: number, text: string): void {
    this.#u16(code);
    this.#u16(text.length);
    for (let i = 0; i < text.length; i++) this.#bytes[this.#length++] = text.charCodeAt(i);
    this.#pad();
  }

  #u16(value: number): void {
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** The buffer is reused, so padding must be set to 0. */
  #pad(): void {
    while (this.#length % 4 !== 0) this.#bytes[this.#length++] = 0;
  }
}

function textBytes(text: string): number {
  return 2 * OPTION_BYTES + text.length + 4;
}
