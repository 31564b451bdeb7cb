import { littleWord, loadV4, loadV6 } from './bytes.ts';
import { MPLS_NUMBERS, PACKET, PACKET_NUMBERS } from './columns.ts';
import { Numbers } from './numbers.ts';

/** Places of the two addresses in `Packet.words`. */
export const SRC_WORDS = 0;
export const DST_WORDS = 4;

/** The flags of TCP's header; further bits of `TcpFlags` stand for two flags in one packet. */
const TCP_FLAG_BITS = 0xff;

/** Bits of the type of service below the code point. */
const ECN_BITS = 2;

/** The presence of the stack of labels, whose slots are the first ones. */
const MPLS_BITS = 2 ** MPLS_NUMBERS.length - 1;

const MAC_BYTES = 6;

/** The headers of one packet, in the form of columns. One object serves all packets. */
export class Packet {
  readonly numbers = new Numbers(PACKET_NUMBERS);
  /** Addresses in the form of the intern table: source, destination. */
  readonly words = new Uint32Array(8);
  hasAddresses = false;
  /** MACs in the form of the intern table: low and high of the source, of the destination. */
  readonly macs = new Uint32Array(4);
  hasMacs = false;

  clear(): void {
    this.numbers.clear();
    this.hasAddresses = false;
    this.hasMacs = false;
  }

  /** The MACs at two places. */
  setMacs(bytes: Uint8Array, source: number, destination: number): void {
    const { macs } = this;
    macs[0] = littleWord(bytes, source);
    macs[1] = bytes[source + 4]! | (bytes[source + MAC_BYTES - 1]! << 8);
    macs[2] = littleWord(bytes, destination);
    macs[3] = bytes[destination + 4]! | (bytes[destination + MAC_BYTES - 1]! << 8);
    this.hasMacs = true;
  }

  /** The addresses of IPv4 at `at`, source first. */
  setV4(bytes: Uint8Array, at: number): void {
    loadV4(this.words, SRC_WORDS, bytes, at);
    loadV4(this.words, DST_WORDS, bytes, at + 4);
    this.hasAddresses = true;
  }

  /** The addresses of IPv6 at `at`, source first. */
  setV6(bytes: Uint8Array, at: number): void {
    loadV6(this.words, SRC_WORDS, bytes, at);
    loadV6(this.words, DST_WORDS, bytes, at + 16);
    this.hasAddresses = true;
  }

  /** Type of service of IPv4, or traffic class of IPv6. */
  setTos(tos: number): void {
    this.numbers.set(PACKET.IpTos, tos);
    this.numbers.set(PACKET.Dscp, tos >> ECN_BITS);
  }

  /** Under the name of routers, and under that of agents. */
  setTcpFlags(word: number): void {
    this.numbers.set(PACKET.TcpFlags, word & TCP_FLAG_BITS);
    this.numbers.set(PACKET.Flags, word & TCP_FLAG_BITS);
  }

  /**
   * Takes over the link of the packet around it: the outermost tag and labels, and MACs if it has
   * none itself.
   */
  wrapIn(outer: Packet): void {
    if (!this.hasMacs && outer.hasMacs) {
      this.macs.set(outer.macs);
      this.hasMacs = true;
    }
    const { numbers } = this;
    const { values, present } = outer.numbers;
    if (outer.numbers.has(PACKET.VlanId)) numbers.set(PACKET.VlanId, values[PACKET.VlanId]!);
    if (!outer.numbers.has(PACKET.HasMpls)) return;
    numbers.values.set(values.subarray(0, MPLS_NUMBERS.length));
    numbers.present = (numbers.present & ~MPLS_BITS) | (present & MPLS_BITS);
  }
}
