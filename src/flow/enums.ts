import type { NameTable } from './field.ts';

/** Names of numbers, both ways. */
export interface Names {
  readonly entries: readonly (readonly [value: number, name: string])[];
  nameOf(value: number): string | undefined;
  /** The number for a name, ignoring case, or for digits; undefined for anything else. */
  numberOf(text: string): number | undefined;
}

/** IANA's names of the common protocols above IP. */
export const Protocol = {
  HOPOPT: 0,
  ICMP: 1,
  IGMP: 2,
  IPv4: 4,
  TCP: 6,
  EGP: 8,
  UDP: 17,
  DCCP: 33,
  IPv6: 41,
  RSVP: 46,
  GRE: 47,
  ESP: 50,
  AH: 51,
  'IPv6-ICMP': 58,
  EIGRP: 88,
  OSPF: 89,
  ETHERIP: 97,
  PIM: 103,
  IPComp: 108,
  VRRP: 112,
  L2TP: 115,
  SCTP: 132,
  UDPLite: 136,
  'MPLS-in-IP': 137,
} as const;

/** Whether packets of the protocol have ports at the place where UDP has them. */
export function hasPorts(protocol: number): boolean {
  switch (protocol) {
    case Protocol.TCP:
    case Protocol.UDP:
    case Protocol.SCTP:
    case Protocol.UDPLite:
    case Protocol.DCCP:
      return true;
    default:
      return false;
  }
}

export const EtherType = { IPv4: 0x0800, ARP: 0x0806, IPv6: 0x86dd } as const;

/** `Inner` applies to nodes only (both ends are on it), `Both` to interfaces only. */
export const Direction = { Ingress: 0, Egress: 1, Inner: 2, Both: 3 } as const;

/** The header's bits, then combinations in one packet, which `flowlogs-pipeline` expects. */
export const TcpFlag = {
  FIN: 1,
  SYN: 2,
  RST: 4,
  PSH: 8,
  ACK: 16,
  URG: 32,
  ECE: 64,
  CWR: 128,
  SYN_ACK: 256,
  FIN_ACK: 512,
  RST_ACK: 1024,
} as const;

/** RFC 2474, 2597, 3246, 5865, 8622. */
const CODE_POINTS = {
  CS0: 0,
  LE: 1,
  CS1: 8,
  AF11: 10,
  AF12: 12,
  AF13: 14,
  CS2: 16,
  AF21: 18,
  AF22: 20,
  AF23: 22,
  CS3: 24,
  AF31: 26,
  AF32: 28,
  AF33: 30,
  CS4: 32,
  AF41: 34,
  AF42: 36,
  AF43: 38,
  CS5: 40,
  VA: 44,
  EF: 46,
  CS6: 48,
  CS7: 56,
} as const;

const ICMP_TYPES_V4 = {
  'echo reply': 0,
  unreachable: 3,
  'source quench': 4,
  redirect: 5,
  'echo request': 8,
  'router advertisement': 9,
  'router solicitation': 10,
  'time exceeded': 11,
  'parameter problem': 12,
  'timestamp request': 13,
  'timestamp reply': 14,
} as const;

const ICMP_TYPES_V6 = {
  unreachable: 1,
  'packet too big': 2,
  'time exceeded': 3,
  'parameter problem': 4,
  'echo request': 128,
  'echo reply': 129,
  'multicast query': 130,
  'multicast report': 131,
  'multicast done': 132,
  'router solicitation': 133,
  'router advertisement': 134,
  'neighbour solicitation': 135,
  'neighbour advertisement': 136,
  redirect: 137,
  'multicast report v2': 143,
} as const;

/** IPFIX flowEndReason (RFC 5102): why a record was made. */
export const FlowEnd = {
  idle: 1,
  active: 2,
  ended: 3,
  shutdown: 4,
  full: 5,
} as const;

/** IPFIX biflowDirection (RFC 5103): which end opened the conversation. */
export const Initiator = { source: 1, destination: 2 } as const;

/** Names of each field's numbers, by the value of `FieldSpec.names`. */
export const NAMES: Readonly<Record<NameTable, Names>> = {
  protocol: namesOf(Protocol, { ICMPv6: 58, IPIP: 4 }),
  etherType: namesOf(EtherType),
  dscp: namesOf(CODE_POINTS),
  direction: namesOf(Direction),
  tcpFlags: namesOf(TcpFlag),
  // These are the types of ICMP for IPv4; the protocol shows when `ICMPV6_TYPES` holds.
  icmpType: namesOf(ICMP_TYPES_V4),
  flowEnd: namesOf(FlowEnd),
  initiator: namesOf(Initiator),
};

export const ICMPV6_TYPES: Names = namesOf(ICMP_TYPES_V6);

/**
 * Values of `DnsFlagsResponseCode`: IANA's names of DNS response codes. The upper bits of codes
 * above 15 are in the EDNS record (RFC 6891 §6.1.3).
 */
export const DNS_RESPONSE_CODES: Names = namesOf({
  NoError: 0,
  FormErr: 1,
  ServFail: 2,
  NXDomain: 3,
  NotImp: 4,
  Refused: 5,
  YXDomain: 6,
  YXRRSet: 7,
  NXRRSet: 8,
  NotAuth: 9,
  NotZone: 10,
  DSOTYPENI: 11,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
});

/** Values of `PktDropLatestState`: the kernel's include/net/tcp_states.h. */
export const TCP_STATES: Names = namesOf({
  TCP_ESTABLISHED: 1,
  TCP_SYN_SENT: 2,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_FIN_WAIT2: 5,
  TCP_TIME_WAIT: 6,
  TCP_CLOSE: 7,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_CLOSING: 11,
  TCP_NEW_SYN_RECV: 12,
});

/** A class of service of RFC 4594 and the code points that request it. */
export interface ServiceClass {
  readonly name: string;
  readonly codePoints: readonly number[];
}

export const SERVICE_CLASSES: readonly ServiceClass[] = [
  { name: 'Standard', codePoints: [0] },
  { name: 'Low-Priority Data', codePoints: [8] },
  { name: 'High-Throughput Data', codePoints: [10, 12, 14] },
  { name: 'OAM', codePoints: [16] },
  { name: 'Low-Latency Data', codePoints: [18, 20, 22] },
  { name: 'Broadcast Video', codePoints: [24] },
  { name: 'Multimedia Streaming', codePoints: [26, 28, 30] },
  { name: 'Real-Time Interactive', codePoints: [32] },
  { name: 'Multimedia Conferencing', codePoints: [34, 36, 38] },
  { name: 'Signaling', codePoints: [40] },
  { name: 'Telephony', codePoints: [46] },
  { name: 'Network Control', codePoints: [48] },
];

/** Names of the flags that are set, lowest bit first; bits without a name are left out. */
export function tcpFlagNames(mask: number): readonly string[] {
  return NAMES.tcpFlags.entries.filter(([bit]) => (mask & bit) !== 0).map(([, name]) => name);
}

function namesOf(
  numbers: Readonly<Record<string, number>>,
  aliases: Readonly<Record<string, number>> = {},
): Names {
  const entries = Object.entries(numbers).map(([name, value]) => [value, name] as const);
  const byValue = new Map(entries);
  const byName = new Map<string, number>();
  for (const [name, value] of [...Object.entries(numbers), ...Object.entries(aliases)]) {
    byName.set(name.toLowerCase(), value);
  }
  return {
    entries,
    nameOf: (value) => byValue.get(value),
    numberOf: (text) => (/^\d+$/.test(text) ? Number(text) : byName.get(text.toLowerCase())),
  };
}
