/**
 * What the datapath should make of a frame, written the slow and obvious way, from the RFCs and
 * not from the C code. Property tests compare the two.
 */
import { EtherType, Proto } from './frames.ts';

export interface Parsed {
  readonly key: string;
  readonly tcpFlags: number;
  readonly vlanId: number;
  readonly dscp: number;
  readonly ethProtocol: number;
}

export type Outcome = Parsed | 'not-ip' | 'malformed';

interface Ports {
  readonly source: number;
  readonly target: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

const NO_PORTS: Ports = { source: 0, target: 0, icmpType: 0, icmpCode: 0 };
const VLAN_TAGS_MAX = 3;
const EXTENSIONS_MAX = 8;

interface Network {
  readonly source: string;
  readonly target: string;
  readonly protocol: number;
  readonly dscp: number;
  readonly ethProtocol: number;
  /** What the network header says it carries. */
  readonly payload: Buffer;
  readonly fragment: { readonly id: number; readonly offset: number } | undefined;
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
  return {
    source: mapped(packet.subarray(12, 16)),
    target: mapped(packet.subarray(16, 20)),
    protocol: packet[9]!,
    dscp: packet[1]! >> 2,
    ethProtocol: EtherType.ipv4,
    payload: packet.subarray(header, total),
    fragment: isFragment ? { id: packet.readUInt16BE(4), offset } : undefined,
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

function parseIpv6(packet: Buffer): Network | undefined {
  if (packet.length < 40 || packet[0]! >> 4 !== 6) return undefined;
  const said = packet.readUInt16BE(4);
  const isJumbo = said === 0 && packet[6] === Proto.hopByHop;
  const total = isJumbo ? packet.length : 40 + said;
  if (total > packet.length) return undefined;
  let payload = packet.subarray(40, total);
  let protocol = packet[6]!;
  let fragment: Network['fragment'];
  for (let seen = 0; EXTENSIONS.includes(protocol); seen++) {
    if (fragment !== undefined && fragment.offset > 0) break;
    // Eight bytes are read at once; the frame may go on where the IP packet has ended.
    const rest = packet.subarray(payload.byteOffset - packet.byteOffset);
    if (seen === EXTENSIONS_MAX || rest.length < 8) return undefined;
    const length = extensionBytes(protocol, rest);
    if (length > payload.length) return undefined;
    if (protocol === Proto.fragment) {
      const word = payload.readUInt16BE(2);
      const isFragment = (word & 0xfff9) !== 0;
      fragment = isFragment ? { id: payload.readUInt32BE(4), offset: word >> 3 } : undefined;
    }
    protocol = payload[0]!;
    payload = payload.subarray(length);
  }
  return {
    source: packet.toString('hex', 8, 24),
    target: packet.toString('hex', 24, 40),
    protocol,
    dscp: (packet.readUInt16BE(0) >> 6) & 63,
    ethProtocol: EtherType.ipv6,
    payload,
    fragment,
  };
}

function headerBytes(protocol: number): number {
  if (protocol === Proto.tcp) return 20;
  if (protocol === Proto.sctp) return 12;
  const short: readonly number[] = [Proto.udp, Proto.icmp, Proto.icmpv6];
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
  if (isIcmp) return { ...NO_PORTS, icmpType: payload[0]!, icmpCode: payload[1]! };
  return { ...NO_PORTS, source: payload.readUInt16BE(0), target: payload.readUInt16BE(2) };
}

/** TCP's flags, 0 where a first fragment ends before them; undefined: an impossible header. */
function readFlags(payload: Buffer, isFragment: boolean): number | undefined {
  if (payload.length < 14) return 0;
  const length = (payload[12]! >> 4) * 4;
  if (length < 20 || (!isFragment && length > payload.length)) return undefined;
  return flagsOf(payload[13]!);
}

export class Model {
  readonly #fragments = new Map<string, Ports>();

  parse(frame: Buffer, hasL2: boolean): Outcome {
    let type = 0;
    let vlanId = 0;
    let packet = frame;
    if (hasL2) {
      type = frame.readUInt16BE(12);
      packet = frame.subarray(14);
      for (let tags = 0; tags < VLAN_TAGS_MAX; tags++) {
        if (type !== EtherType.vlan && type !== EtherType.qinq) break;
        if (packet.length < 4) return 'not-ip';
        vlanId ||= packet.readUInt16BE(0) & 0xfff;
        type = packet.readUInt16BE(2);
        packet = packet.subarray(4);
      }
    } else {
      type = { 4: EtherType.ipv4, 6: EtherType.ipv6 }[frame[0]! >> 4] ?? 0;
    }
    if (type !== EtherType.ipv4 && type !== EtherType.ipv6) return 'not-ip';
    const network = type === EtherType.ipv4 ? parseIpv4(packet) : parseIpv6(packet);
    return network === undefined ? 'malformed' : this.#transport(network, vlanId);
  }

  #transport(network: Network, vlanId: number): Outcome {
    const { protocol, payload, fragment } = network;
    const needed = headerBytes(protocol);
    let ports = NO_PORTS;
    let tcpFlags: number | undefined = 0;
    const id = [network.source, network.target, fragment?.id, protocol].join();
    if (fragment !== undefined && fragment.offset > 0) {
      ports = this.#fragments.get(id) ?? NO_PORTS;
    } else if (needed > 0) {
      if (payload.length < (fragment === undefined ? needed : 4)) return 'malformed';
      ports = readPorts(protocol, payload);
      if (fragment !== undefined) this.#fragments.set(id, ports);
      if (protocol === Proto.tcp) tcpFlags = readFlags(payload, fragment !== undefined);
      if (tcpFlags === undefined) return 'malformed';
    }
    const { source, target, icmpType, icmpCode } = ports;
    const { dscp, ethProtocol } = network;
    const key = [network.source, network.target, source, target, protocol, icmpType, icmpCode];
    return { key: key.join(), tcpFlags, vlanId, dscp, ethProtocol };
  }
}
