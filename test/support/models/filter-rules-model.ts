/**
 * The filter rules as documented in deploy/reference/filters.md, in slow and obvious code: based on
 * the page and on the rules as users write them, not on the code that it is compared with.
 */

/** A rule of FLOW_FILTER_RULES. */
export interface WrittenRule {
  readonly action?: 'Accept' | 'Reject';
  readonly ip_cidr?: string;
  readonly peer_cidr?: string;
  readonly direction?: 'Ingress' | 'Egress';
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPv6';
  readonly source_ports?: string;
  readonly destination_ports?: string;
  readonly ports?: string;
  readonly tcp_flags?: string;
  /** The number 0 counts as absent, the text "0" is 0. */
  readonly icmp_type?: number | '0';
  readonly icmp_code?: number | '0';
  readonly drops?: boolean;
  readonly sample?: number;
}

export interface ModelPacket {
  readonly family: 4 | 6;
  /** All bits of the address, `'0000…'`. */
  readonly source: string;
  readonly target: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly targetPort: number;
  /** Bits of the TCP header's flags. */
  readonly flags: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

type Direction = 'ingress' | 'egress';

/**
 * The place where a packet is checked: at a hook, or by a probe for forwarded packets, which would
 * pass both hooks. Or as a drop, of an incoming or an outgoing packet; `recorded`: an incoming one,
 * of a flow that a hook has recorded.
 */
export type Place = Direction | 'through' | 'ingress drop' | 'egress drop' | 'recorded drop';

export interface ModelVerdict {
  readonly accepted: boolean;
  readonly matched: boolean;
  readonly onlyIfDropped: boolean;
  readonly sample: number;
}

const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 } as const;

/** Bits of an IPv4 or IPv6 address without `::`. */
export function bitsOf(address: string): string {
  const groups = address.includes(':')
    ? address.split(':').map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    : address.split('.').map((part) => Number(part).toString(2).padStart(8, '0'));
  return groups.join('');
}

function isWhole(family: 4 | 6, cidr: string | undefined): boolean {
  return cidr?.endsWith('/0') === true && cidr.includes(':') === (family === 6);
}

function isIn(cidr: string, packet: ModelPacket, address: string, apart: boolean): boolean {
  const [network, length] = cidr.split('/');
  const isV6 = network!.includes(':');
  if (!apart && isWhole(4, cidr)) return true;
  if (isV6 !== (packet.family === 6)) return false;
  return address.startsWith(bitsOf(network!).slice(0, Number(length)));
}

function isListed(list: string, port: number): boolean {
  return list.split(',').some((item) => {
    const [first, last = first] = item.split('-').map(Number);
    return port >= first! && port <= last!;
  });
}

/** The names of the packet's flags. */
function flagNames(flags: number): readonly string[] {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const names: string[] = [];
  const ack = has(16);
  if (has(2)) names.push(ack ? 'SYN-ACK' : 'SYN');
  if (has(1)) names.push(ack ? 'FIN-ACK' : 'FIN');
  if (has(4)) names.push(ack ? 'RST-ACK' : 'RST');
  if (ack && !has(2) && !has(1) && !has(4)) names.push('ACK');
  if (has(8)) names.push('PSH', 'PUSH');
  if (has(32)) names.push('URG');
  if (has(64)) names.push('ECE');
  if (has(128)) names.push('CWR');
  return names;
}

function hasConditions(rule: WrittenRule, packet: ModelPacket, direction: Direction): boolean {
  const { sourcePort, targetPort } = packet;
  const isIcmp = packet.protocol === 1 || packet.protocol === 58;
  if (rule.direction !== undefined && rule.direction.toLowerCase() !== direction) return false;
  if (rule.protocol !== undefined && PROTOCOLS[rule.protocol] !== packet.protocol) return false;
  if (rule.source_ports !== undefined && !isListed(rule.source_ports, sourcePort)) return false;
  if (rule.destination_ports !== undefined && !isListed(rule.destination_ports, targetPort)) {
    return false;
  }
  if (rule.ports !== undefined) {
    if (!isListed(rule.ports, sourcePort) && !isListed(rule.ports, targetPort)) return false;
  }
  if (rule.tcp_flags !== undefined) {
    const names = packet.protocol === PROTOCOLS.TCP ? flagNames(packet.flags) : [];
    if (!rule.tcp_flags.split(',').some((name) => names.includes(name))) return false;
  }
  const isNumber = (wanted: number | '0' | undefined, number: number): boolean =>
    wanted === undefined || wanted === 0 || (isIcmp && Number(wanted) === number);
  return isNumber(rule.icmp_type, packet.icmpType) && isNumber(rule.icmp_code, packet.icmpCode);
}

export function judge(
  rules: readonly WrittenRule[],
  packet: ModelPacket,
  place: Place,
): ModelVerdict {
  const isDrop = place.endsWith('drop');
  const own = place.startsWith('egress') ? 'egress' : 'ingress';
  const { rule, ...verdict } = judgeOnce(rules, packet, own, isDrop);
  const isDecided = verdict.accepted || (isDrop && rule?.drops === true);
  if (isDecided || (place !== 'through' && place !== 'recorded drop')) return verdict;
  const { rule: _other, ...second } = judgeOnce(rules, packet, 'egress', false);
  return second;
}

function judgeOnce(
  rules: readonly WrittenRule[],
  packet: ModelPacket,
  direction: Direction,
  isDrop: boolean,
): ModelVerdict & { readonly rule?: WrittenRule } {
  const lengthOf = (rule: WrittenRule): number => Number(rule.ip_cidr?.split('/')[1] ?? 0);
  const ordered = [...rules].sort((one, other) => lengthOf(other) - lengthOf(one));
  const apart = rules.some((rule) => isWhole(6, rule.ip_cidr) || isWhole(6, rule.peer_cidr));
  const { source, target } = packet;
  let tentative: WrittenRule | undefined;
  // First by the sender's address, then by the receiver's.
  for (const [near, far] of [
    [source, target],
    [target, source],
  ] as const) {
    for (const rule of ordered) {
      if (rule.ip_cidr !== undefined && !isIn(rule.ip_cidr, packet, near, apart)) continue;
      if (rule.peer_cidr !== undefined && !isIn(rule.peer_cidr, packet, far, apart)) continue;
      if (!hasConditions(rule, packet, direction)) continue;
      if (rule.drops === true && !isDrop) {
        if (rule.action !== 'Reject') tentative ??= rule;
        continue;
      }
      if (rule.action === 'Reject' && tentative !== undefined) return ifDropped(tentative);
      const accepted = rule.action !== 'Reject';
      return { accepted, matched: true, onlyIfDropped: false, sample: rule.sample ?? 0, rule };
    }
  }
  const accepted = rules.every((rule) => rule.action === 'Reject');
  if (!accepted && tentative !== undefined) return ifDropped(tentative);
  return { accepted, matched: false, onlyIfDropped: false, sample: 0 };
}

function ifDropped(rule: WrittenRule): ModelVerdict {
  return { accepted: true, matched: true, onlyIfDropped: true, sample: rule.sample ?? 0 };
}
