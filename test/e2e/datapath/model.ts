/**
 * The flow that the datapath should make of a frame, in slow and obvious code based on the RFCs and
 * not on the C code. Property tests compare the two.
 */
import { EtherType, Proto } from './frames.ts';
import { type Found, findNetwork } from './model-link.ts';

export interface Parsed {
  readonly key: string;
  readonly tcpFlags: number;
  readonly vlanId: number;
  readonly dscp: number;
  readonly ethProtocol: number;
}

export type Outcome = Parsed | 'not-ip' | 'malformed' | 'not-looked-into';

/** Data of a datagram's first fragment that the others use, too. */
interface Ports {
  readonly protocol: number;
  readonly source: number;
  readonly target: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

const portless = (protocol: number): Ports => {
  return { protocol, source: 0, target: 0, icmpType: 0, icmpCode: 0 };
};
const EXTENSIONS_MAX = 8;

interface Network {
  readonly source: string;
  readonly target: string;
  readonly protocol: number;
  readonly dscp: number;
  readonly ethProtocol: number;
  /** The content as the network header describes it. */
  readonly payload: Buffer;
  /** Common data of a datagram's pieces, and this one's place in it. */
  readonly fragment: { readonly id: string; readonly offset: number } | undefined;
}

const mapped = (address: Buffer): string => `00000000000000000000ffff${address.toString('hex')}`;

function parseIpv4(packet: Buffer): Network | undefined {
  if (packet.length < 20 || packet[0]! >> 4 !== 4) return undefined;
  const header = (packet[0]! & 15) * 4;
  const total = packet.readUInt16BE(2);
  if (header < 20 || total < header || total > packet.length) return undefined;
  const flags = packet.readUInt16BE(6);
  const offset = flags & 0x1fff;
  const isFragment = offset > 0 || (flags & 0x2000) !== 0;
  const isAuthenticated = packet[9] === Proto.ah && offset === 0;
  const inside = isAuthenticated
    ? behindExtensions(packet, header, total, [Proto.ah])
    : { protocol: packet[9]!, payload: packet.subarray(header, total) };
  if (inside === undefined) return undefined;
  const id = `4,${packet.readUInt16BE(4)},${packet[9]},${packet.toString('hex', 12, 20)}`;
  return {
    source: mapped(packet.subarray(12, 16)),
    target: mapped(packet.subarray(16, 20)),
    protocol: inside.protocol,
    dscp: packet[1]! >> 2,
    ethProtocol: EtherType.ipv4,
    payload: inside.payload,
    fragment: isFragment ? { id, offset } : undefined,
  };
}

function extensionBytes(protocol: number, payload: Buffer): number {
  if (protocol === Proto.fragment) return 8;
  if (protocol === Proto.ah) return (payload[1]! + 2) * 4;
  return (payload[1]! + 1) * 8;
}

const EXTENSIONS: readonly number[] = [
  Proto.hopByHop,
  Proto.routing,
  Proto.destination,
  Proto.fragment,
  Proto.ah,
];

interface Inside {
  readonly protocol: number;
  readonly payload: Buffer;
  readonly fragment?: { readonly id: number; readonly offset: number };
}

/** The content after a header of `start` bytes, of a packet that ends at `end`. */
function behindExtensions(
  packet: Buffer,
  start: number,
  end: number,
  kinds: readonly number[],
): Inside | undefined {
  let payload = packet.subarray(start, end);
  let protocol = packet[0]! >> 4 === 6 ? packet[6]! : packet[9]!;
  let fragment: Inside['fragment'];
  for (let seen = 0; kinds.includes(protocol); seen++) {
    if (fragment !== undefined && fragment.offset > 0) break;
    // Reads eight bytes at once; the frame may go on after the end of the IP packet.
    const rest = packet.subarray(payload.byteOffset - packet.byteOffset);
    if (seen === EXTENSIONS_MAX || rest.length < 8) return undefined;
    const length = extensionBytes(protocol, rest);
    if (length > payload.length) return undefined;
    if (protocol === Proto.fragment) {
      if (fragment !== undefined) return undefined;
      const word = payload.readUInt16BE(2);
      const isFragment = (word & 0xfff9) !== 0;
      if (isFragment) fragment = { id: payload.readUInt32BE(4), offset: word >> 3 };
    }
    protocol = payload[0]!;
    payload = payload.subarray(length);
  }
  return { protocol, payload, ...(fragment === undefined ? {} : { fragment }) };
}

function parseIpv6(packet: Buffer): Network | undefined {
  if (packet.length < 40 || packet[0]! >> 4 !== 6) return undefined;
  const said = packet.readUInt16BE(4);
  const isJumbo = said === 0 && packet[6] === Proto.hopByHop;
  const total = isJumbo ? packet.length : 40 + said;
  if (total > packet.length) return undefined;
  const inside = behindExtensions(packet, 40, total, EXTENSIONS);
  if (inside === undefined) return undefined;
  const { fragment } = inside;
  const id = `6,${fragment?.id},${packet.toString('hex', 8, 40)}`;
  return {
    source: packet.toString('hex', 8, 24),
    target: packet.toString('hex', 24, 40),
    protocol: inside.protocol,
    dscp: (packet.readUInt16BE(0) >> 6) & 63,
    ethProtocol: EtherType.ipv6,
    payload: inside.payload,
    fragment: fragment === undefined ? undefined : { id, offset: fragment.offset },
  };
}

function headerBytes(protocol: number): number {
  if (protocol === Proto.tcp) return 20;
  if (protocol === Proto.sctp || protocol === Proto.dccp) return 12;
  const short: readonly number[] = [Proto.udp, Proto.udpLite, Proto.icmp, Proto.icmpv6];
  return short.includes(protocol) ? 8 : 0;
}

function flagsOf(bits: number): number {
  let flags = bits;
  const combine = (bit: number, combined: number): void => {
    if ((bits & 16) !== 0 && (bits & bit) !== 0) flags |= combined;
  };
  combine(2, 256);
  combine(1, 512);
  combine(4, 1024);
  return flags;
}

function readPorts(protocol: number, payload: Buffer): Ports {
  const isIcmp = protocol === Proto.icmp || protocol === Proto.icmpv6;
  const none = portless(protocol);
  if (isIcmp) return { ...none, icmpType: payload[0]!, icmpCode: payload[1]! };
  return { ...none, source: payload.readUInt16BE(0), target: payload.readUInt16BE(2) };
}

/** TCP's flags, 0 if a first fragment ends before them; undefined: an impossible header. */
function readFlags(payload: Buffer, isFragment: boolean): number | undefined {
  if (payload.length < 14) return 0;
  const length = (payload[12]! >> 4) * 4;
  if (length < 20 || (!isFragment && length > payload.length)) return undefined;
  return flagsOf(payload[13]!);
}

export class Model {
  readonly #fragments = new Map<string, Ports>();

  parse(frame: Buffer, hasL2: boolean): Outcome {
    const found = hasL2 ? findNetwork(frame) : findByVersion(frame);
    if (typeof found === 'string') return found;
    const { type, packet, vlanId } = found;
    const network = type === EtherType.ipv4 ? parseIpv4(packet) : parseIpv6(packet);
    return network === undefined ? 'malformed' : this.#transport(network, vlanId);
  }

  #transport(network: Network, vlanId: number): Outcome {
    const { protocol, payload, fragment } = network;
    const needed = headerBytes(protocol);
    let ports = portless(protocol);
    let tcpFlags: number | undefined = 0;
    if (fragment !== undefined && fragment.offset > 0) {
      ports = this.#fragments.get(fragment.id) ?? ports;
    } else {
      if (needed > 0) {
        if (payload.length < (fragment === undefined ? needed : 4)) return 'malformed';
        ports = readPorts(protocol, payload);
      }
      if (fragment !== undefined) this.#fragments.set(fragment.id, ports);
      if (protocol === Proto.tcp) tcpFlags = readFlags(payload, fragment !== undefined);
      if (tcpFlags === undefined) return 'malformed';
    }
    return { key: keyOf(network, ports), tcpFlags, vlanId, ...shared(network) };
  }
}

const shared = ({ dscp, ethProtocol }: Network) => ({ dscp, ethProtocol });

function keyOf({ source, target, ethProtocol }: Network, ports: Ports): string {
  const key = [source, target, ports.source, ports.target, ports.protocol];
  const icmp = [ports.icmpType, ports.icmpCode];
  const isIpv4 = [source, target].some((address) => address.startsWith(mapped(Buffer.alloc(0))));
  const apart = isIpv4 && ethProtocol === EtherType.ipv6 ? ['mapped'] : [];
  return [...key, ...icmp, ...apart].join();
}

function findByVersion(frame: Buffer): Found {
  const type = { 4: EtherType.ipv4, 6: EtherType.ipv6 }[frame[0]! >> 4];
  return type === undefined ? 'not-ip' : { type, packet: frame, vlanId: 0 };
}
