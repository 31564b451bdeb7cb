import { octets } from './netflow-bytes.ts';

/**
 * Packets put together layer by layer. Each layer says which fields it gives, and how many octets
 * from the beginning of the packet must be there for that.
 */

export interface Fact {
  readonly name: string;
  readonly value: number | string | boolean;
  readonly needs: number;
}

export type Values = Readonly<Record<string, number | string | boolean>>;

/** A packet that is put together from the outside in. */
export class BuiltPacket {
  readonly #parts: Buffer[] = [];
  readonly facts: Fact[] = [];
  length: number;

  /** `start`: octets before it, if it is inside of another one. */
  constructor(start = 0) {
    this.length = start;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  /** Adds octets; `values` need all of them, or the first `needs`. */
  add(bytes: Uint8Array, values: Values = {}, needs = bytes.length): this {
    for (const [name, value] of Object.entries(values)) {
      this.facts.push({ name, value, needs: this.length + needs });
    }
    this.#parts.push(Buffer.from(bytes));
    this.length += bytes.length;
    return this;
  }

  /** The fields that the first `length` octets give. A later layer knows better. */
  valuesIn(length: number): Values {
    const known = this.facts.filter(({ needs }) => needs <= length);
    return Object.fromEntries(known.map(({ name, value }) => [name, value]));
  }
}

export interface End {
  readonly text: string;
  readonly octets: Buffer;
}

export const V4_ENDS: readonly End[] = ['192.0.2.1', '10.255.0.7', '203.0.113.200'].map((text) => ({
  text,
  octets: Buffer.from(text.split('.').map(Number)),
}));

export const V6_ENDS: readonly End[] = [
  ['2001:db8::1', '20010db8000000000000000000000001'],
  ['fe80::a:b', 'fe8000000000000000000000000a000b'],
  ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
].map(([text, hex]) => ({ text: text!, octets: Buffer.from(hex!, 'hex') }));

export const MACS: readonly End[] = ['02:00:00:00:00:01', 'fe:dc:ba:98:76:54'].map((text) => ({
  text,
  octets: Buffer.from(text.replaceAll(':', ''), 'hex'),
}));

type Random = () => number;

function pick<Value>(random: Random, values: readonly Value[]): Value {
  return values[random() % values.length]!;
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random() & 0xff));
}

const TAG_TYPES = [0x8100, 0x88a8, 0x9100];
const TAGS_READ = 4;
const ETHERNET_TYPE = 0x6558;
const MPLS_TYPE = 0x8847;

/** Ethernet with up to five tags; `type` is the EtherType of the payload. */
function addEthernet(packet: BuiltPacket, random: Random, type: number): void {
  const [source, destination] = [pick(random, MACS), pick(random, MACS)];
  const types = Array.from({ length: pick(random, [0, 0, 1, 2, 5]) }, () =>
    pick(random, TAG_TYPES),
  );
  types.push(type);
  const macs = { SrcMac: source.text, DstMac: destination.text, Etype: types[0]! };
  packet.add(Buffer.concat([destination.octets, source.octets, octets([2, types[0]!])]), macs);
  for (const [depth, next] of types.slice(1).entries()) {
    const vlan = 1 + (random() % 4094);
    const id: Values = depth === 0 ? { VlanId: vlan } : {};
    const values = depth < TAGS_READ ? { ...id, Etype: next } : {};
    packet.add(octets([2, ((random() & 15) << 12) | vlan], [2, next]), values);
  }
}

function addLabels(packet: BuiltPacket, random: Random, count: number): void {
  for (let depth = 1; depth <= count; depth++) {
    const [label, ttl] = [1 + (random() % 0xf_ffff), 1 + (random() % 255)];
    const isLast = depth === count;
    const values: Record<string, number | boolean> = { HasMpls: true, MplsCount: depth };
    if (depth <= 3) Object.assign(values, { [`Mpls_${depth}Label`]: label });
    if (depth <= 3) Object.assign(values, { [`Mpls_${depth}Ttl`]: ttl });
    if (isLast) Object.assign(values, { MplsLastLabel: label, MplsLastTtl: ttl });
    packet.add(octets([4, label * 4096 + (random() & 7) * 512 + (isLast ? 256 : 0) + ttl]), values);
  }
}

interface Payload {
  readonly protocol: number;
  readonly bytes: Buffer;
  /** Fields, with the octets of the payload that they need. */
  readonly facts: readonly (readonly [values: Values, needs: number])[];
}

/** Ports that no tunnel has. */
const anyPort = (random: Random): number => 7000 + (random() % 50_000);

function anyPayload(random: Random, isV6: boolean): Payload {
  const [SrcPort, DstPort] = [anyPort(random), anyPort(random)];
  const ports = octets([2, SrcPort], [2, DstPort]);
  const withPorts = (protocol: number, rest: Buffer): Payload => ({
    ...{ protocol, bytes: Buffer.concat([ports, rest]), facts: [[{ SrcPort, DstPort }, 4]] },
  });
  switch (random() % 5) {
    case 0: {
      const TcpFlags = 1 + (random() % 255);
      const rest = octets([4, random()], [4, random()], [1, 0x50], [1, TcpFlags], [6, random()]);
      const tcp = withPorts(6, rest);
      return { ...tcp, facts: [...tcp.facts, [{ TcpFlags, Flags: TcpFlags }, 14]] };
    }
    case 1:
      return withPorts(17, octets([2, 8 + (random() % 100)], [2, random() & 0xffff]));
    case 2:
      return withPorts(pick(random, [33, 132, 136]), noise(random, 8));
    case 3: {
      const [IcmpType, IcmpCode] = [random() & 0xff, random() & 0xff];
      const bytes = Buffer.concat([octets([1, IcmpType], [1, IcmpCode]), noise(random, 6)]);
      return { protocol: isV6 ? 58 : 1, bytes, facts: [[{ IcmpType, IcmpCode }, 2]] };
    }
    default:
      return { protocol: pick(random, [2, 50, 89, 112]), bytes: noise(random, 12), facts: [] };
  }
}

function addPayload(packet: BuiltPacket, payload: Payload, isThere = true): void {
  const start = packet.length;
  packet.add(payload.bytes);
  if (!isThere) return;
  for (const [values, needs] of payload.facts) {
    for (const [name, value] of Object.entries(values)) {
      packet.facts.push({ name, value, needs: start + needs });
    }
  }
}

/** `fragment`: its identification, offset in units of 8 octets, and whether more follow. */
type Fragment = readonly [id: number, offset: number, more: number] | undefined;

function fragmentValues(fragment: Fragment): Values {
  return fragment === undefined ? {} : { FragmentId: fragment[0], FragmentOffset: fragment[1] };
}

function addV4(packet: BuiltPacket, random: Random, payload: Payload, fragment: Fragment): void {
  const [source, destination] = [pick(random, V4_ENDS), pick(random, V4_ENDS)];
  const options = random() % 4;
  const [tos, ttl] = [1 + (random() % 255), 1 + (random() % 255)];
  const [id, offset, more] = fragment ?? [random() & 0xffff, 0, 0];
  const length = 20 + options * 4 + payload.bytes.length;
  const header = octets(
    ...([
      [1, 0x45 + options],
      [1, tos],
      [2, length],
      [2, id],
      [2, more * 0x2000 + (random() & 0x4000) + offset],
      [1, ttl],
      [1, payload.protocol],
      [2, random() & 0xffff],
    ] as const),
  );
  packet.add(Buffer.concat([header, source.octets, destination.octets]), {
    ...{ Etype: 0x0800, SrcAddr: source.text, DstAddr: destination.text, IpTos: tos },
    ...{ Dscp: tos >> 2, IpTtl: ttl, Proto: payload.protocol, ...fragmentValues(fragment) },
  });
  packet.add(noise(random, options * 4));
  addPayload(packet, payload, offset === 0);
}

/** An extension header: its number, its octets behind the first one. */
function anyExtension(random: Random): readonly [number, Buffer] {
  const units = random() % 3;
  if (random() % 4 === 0) {
    return [51, Buffer.concat([octets([1, 2 * units + 2]), noise(random, units * 8 + 14)])];
  }
  const number = pick(random, [0, 43, 60, 135, 139, 140]);
  return [number, Buffer.concat([octets([1, units]), noise(random, units * 8 + 6)])];
}

function addV6(packet: BuiltPacket, random: Random, payload: Payload, fragment: Fragment): void {
  const [source, destination] = [pick(random, V6_ENDS), pick(random, V6_ENDS)];
  const extensions = Array.from({ length: pick(random, [0, 0, 1, 3]) }, () => anyExtension(random));
  if (fragment !== undefined) {
    const [id, offset, more] = fragment;
    extensions.push([44, octets([1, 0], [2, offset * 8 + more], [4, id])]);
  }
  const numbers = [...extensions.map(([number]) => number), payload.protocol];
  const [tos, ttl, label] = [1 + (random() % 255), 1 + (random() % 255), 1 + (random() % 0xf_ffff)];
  const rest =
    payload.bytes.length + extensions.reduce((sum, [, { length }]) => sum + length + 1, 0);
  const first = 0x6000_0000 + tos * 2 ** 20 + label;
  const header = octets([4, first], [2, rest], [1, numbers[0]!], [1, ttl]);
  const proto = { Proto: payload.protocol };
  packet.add(Buffer.concat([header, source.octets, destination.octets]), {
    ...{ Etype: 0x86dd, SrcAddr: source.text, DstAddr: destination.text, IpTos: tos },
    ...{ Dscp: tos >> 2, IpTtl: ttl, Ipv6FlowLabel: label },
    ...(extensions.length === 0 ? proto : {}),
  });
  for (const [index, [number, body]] of extensions.entries()) {
    const values = {
      ...(number === 44 ? fragmentValues(fragment) : {}),
      ...(index === extensions.length - 1 ? proto : {}),
    };
    // The next header is known from the first word of eight octets.
    packet.add(Buffer.concat([octets([1, numbers[index + 1]!]), body]), values, 8);
  }
  addPayload(packet, payload, (fragment?.[1] ?? 0) === 0);
}

/** Adds the headers below the payload: Ethernet if wanted, and IP. */
function addPacket(packet: BuiltPacket, random: Random, isEthernet: boolean, payload?: Payload) {
  const isV6 = random() % 2 === 0;
  const type = isV6 ? 0x86dd : 0x0800;
  if (isEthernet) {
    const labels = pick(random, [0, 0, 1, 2, 5]);
    addEthernet(packet, random, labels === 0 ? type : MPLS_TYPE);
    // Behind a fifth tag nothing is read.
    if (packet.facts.at(-1)!.needs !== packet.length) return type;
    addLabels(packet, random, labels);
  } else packet.facts.push({ name: 'Etype', value: type, needs: packet.length });
  const isFragment = payload === undefined && random() % 4 === 0;
  const fragment: Fragment = isFragment
    ? [1 + (random() & 0xfffe), pick(random, [0, 0, 9]), 1]
    : undefined;
  const carried = payload ?? anyPayload(random, isV6);
  if (isV6) addV6(packet, random, carried, fragment);
  else addV4(packet, random, carried, fragment);
  return type;
}

export interface AnyPacket {
  readonly bytes: Buffer;
  /** 1: Ethernet; 11: IPv4; 12: IPv6. */
  readonly protocol: number;
  /** The fields of the flow that the first `length` octets give. */
  valuesIn(length: number): Values;
}

export function anyPacket(random: Random): AnyPacket {
  return random() % 3 === 0 ? anyTunnel(random) : anyPlain(random);
}

function anyPlain(random: Random): AnyPacket {
  const packet = new BuiltPacket();
  const isEthernet = random() % 3 !== 0;
  const type = addPacket(packet, random, isEthernet);
  // Ethernet fills up short frames.
  packet.add(noise(random, random() % 20));
  const protocol = isEthernet ? 1 : type === 0x0800 ? 11 : 12;
  return { bytes: packet.bytes, protocol, valuesIn: (length) => packet.valuesIn(length) };
}

interface Wrapping {
  readonly type: string;
  readonly id?: number;
  readonly protocol: number;
  readonly header: Buffer;
  readonly facts: Payload['facts'];
  readonly isEthernet: boolean;
}

function anyWrapping(random: Random, innerType: number): Wrapping {
  const id = random() & 0xff_ffff;
  const SrcPort = anyPort(random);
  const udp = (DstPort: number): Buffer => octets([2, SrcPort], [2, DstPort], [2, 0], [2, 0]);
  const facts = (DstPort: number): Payload['facts'] => [[{ SrcPort, DstPort }, 4]];
  switch (random() % 5) {
    case 0: {
      const header = Buffer.concat([udp(4789), octets([4, 0x0800_0000], [3, id], [1, 0])]);
      return { type: 'vxlan', id, protocol: 17, header, facts: facts(4789), isEthernet: true };
    }
    case 1: {
      const isEthernet = random() % 2 === 0;
      const options = random() % 4;
      const inner = isEthernet ? ETHERNET_TYPE : innerType;
      const geneve = octets([1, options], [1, 0], [2, inner], [3, id], [1, 0]);
      const header = Buffer.concat([udp(6081), geneve, noise(random, options * 4)]);
      return { type: 'geneve', id, protocol: 17, header, facts: facts(6081), isEthernet };
    }
    case 2: {
      const [sum, key, sequence] = [random() & 1, random() & 1, random() & 1];
      const flags = sum * 0x8000 + key * 0x2000 + sequence * 0x1000;
      const words = noise(random, (sum + key + sequence) * 4);
      const header = Buffer.concat([octets([2, flags], [2, innerType]), words]);
      return { type: 'gre', protocol: 47, header, facts: [], isEthernet: false };
    }
    case 3: {
      const header = octets([2, 0x2000], [2, ETHERNET_TYPE], [3, id], [1, random() & 0xff]);
      return { type: 'gre', id, protocol: 47, header, facts: [], isEthernet: true };
    }
    default: {
      const protocol = innerType === 0x0800 ? 4 : 41;
      return { type: 'ipip', protocol, header: Buffer.alloc(0), facts: [], isEthernet: false };
    }
  }
}

const LINK = /^(VlanId|HasMpls|Mpls.*)$/;

function anyTunnel(random: Random): AnyPacket {
  // The inner packet is made twice: where it begins depends on the headers around it.
  const seeds = Array.from({ length: 400 }, () => random());
  const replay = (): Random => {
    let at = 0;
    return () => seeds[at++ % seeds.length]!;
  };
  const trial = replay();
  const innerType = trial() % 2 === 0 ? 0x86dd : 0x0800;
  const wrapping = anyWrapping(random, innerType);
  const build = (start: number): BuiltPacket => {
    const packet = new BuiltPacket(start);
    addPacket(packet, replay(), wrapping.isEthernet);
    return packet;
  };
  const { protocol, header, facts } = wrapping;
  const payload = { protocol, bytes: Buffer.concat([header, build(0).bytes]), facts };
  const outer = new BuiltPacket();
  const isEthernet = random() % 2 === 0;
  const type = addPacket(outer, random, isEthernet, payload);
  const inner = build(outer.length - payload.bytes.length + header.length);
  const outerProtocol = isEthernet ? 1 : type === 0x0800 ? 11 : 12;
  const valuesIn = (length: number): Values => {
    const around = outer.valuesIn(length);
    const inside = inner.valuesIn(length);
    if (inside.SrcAddr === undefined || around.SrcAddr === undefined) return around;
    return within(around, inside, wrapping);
  };
  return { bytes: outer.bytes, protocol: outerProtocol, valuesIn };
}

/** The flow of the inner packet: its link is the outer one as far as it has none itself. */
function within(around: Values, inside: Values, { type, id }: Wrapping): Values {
  const isLabelled = around.HasMpls === true;
  const link = Object.entries(around).filter(([name]) => LINK.test(name));
  const rest = Object.entries(inside).filter(
    ([name]) => !(isLabelled && /^(HasMpls|Mpls)/.test(name)),
  );
  const macs = around.SrcMac === undefined ? {} : { SrcMac: around.SrcMac, DstMac: around.DstMac! };
  return {
    ...{ ...macs, ...Object.fromEntries(rest), ...Object.fromEntries(link) },
    ...{ TunnelType: type, TunnelSrcAddr: around.SrcAddr!, TunnelDstAddr: around.DstAddr! },
    ...(id === undefined ? {} : { TunnelId: id }),
  };
}
