import { type Codes, codesOf } from './codes.ts';

/**
 * Causes of drops in sent flows.
 *
 * Kernels renumber their reasons with almost every release, so a batch holds names. Readers such as
 * `flowlogs-pipeline` know each reason by one fixed number for all kernels. Those numbers are used
 * here, not the numbers of any kernel.
 */

/** Core reasons, numbered as readers expect, from 2 on. */
const CORE_FROM = 2;
const CORE = [
  ...['NOT_SPECIFIED', 'NO_SOCKET', 'PKT_TOO_SMALL', 'TCP_CSUM', 'SOCKET_FILTER', 'UDP_CSUM'],
  ...['NETFILTER_DROP', 'OTHERHOST', 'IP_CSUM', 'IP_INHDR', 'IP_RPFILTER'],
  ...['UNICAST_IN_L2_MULTICAST', 'XFRM_POLICY', 'IP_NOPROTO', 'SOCKET_RCVBUFF', 'PROTO_MEM'],
  ...['TCP_MD5NOTFOUND', 'TCP_MD5UNEXPECTED', 'TCP_MD5FAILURE', 'SOCKET_BACKLOG', 'TCP_FLAGS'],
  ...['TCP_ZEROWINDOW', 'TCP_OLD_DATA', 'TCP_OVERWINDOW', 'TCP_OFOMERGE', 'TCP_RFC7323_PAWS'],
  ...['TCP_INVALID_SEQUENCE', 'TCP_RESET', 'TCP_INVALID_SYN', 'TCP_CLOSE', 'TCP_FASTOPEN'],
  ...['TCP_OLD_ACK', 'TCP_TOO_OLD_ACK', 'TCP_ACK_UNSENT_DATA', 'TCP_OFO_QUEUE_PRUNE'],
  ...['TCP_OFO_DROP', 'IP_OUTNOROUTES', 'BPF_CGROUP_EGRESS', 'IPV6DISABLED', 'NEIGH_CREATEFAIL'],
  ...['NEIGH_FAILED', 'NEIGH_QUEUEFULL', 'NEIGH_DEAD', 'TC_EGRESS', 'QDISC_DROP', 'CPU_BACKLOG'],
  ...['XDP', 'TC_INGRESS', 'UNHANDLED_PROTO', 'SKB_CSUM', 'SKB_GSO_SEG', 'SKB_UCOPY_FAULT'],
  ...['DEV_HDR', 'DEV_READY', 'FULL_RING', 'NOMEM', 'HDR_TRUNC', 'TAP_FILTER', 'TAP_TXFILTER'],
  ...['ICMP_CSUM', 'INVALID_PROTO', 'IP_INADDRERRORS', 'IP_INNOROUTES', 'PKT_TOO_BIG', 'DUP_FRAG'],
  ...['FRAG_REASM_TIMEOUT', 'FRAG_TOO_FAR', 'TCP_MINTTL', 'IPV6_BAD_EXTHDR', 'IPV6_NDISC_FRAG'],
  ...['IPV6_NDISC_HOP_LIMIT', 'IPV6_NDISC_BAD_CODE', 'IPV6_NDISC_BAD_OPTIONS'],
  ...['IPV6_NDISC_NS_OTHERHOST', 'QUEUE_PURGE', 'TC_COOKIE_ERROR', 'PACKET_SOCK_ERROR'],
  ...['TC_CHAIN_NOTFOUND', 'TC_RECLASSIFY_LOOP'],
];

/** Open vSwitch's reasons, from 1 on in a subsystem of their own. */
const OVS_FROM = (3 << 16) + 1;
const OVS = [
  ...['LAST_ACTION', 'ACTION_ERROR', 'EXPLICIT', 'EXPLICIT_WITH_ERROR', 'METER'],
  ...['RECURSION_LIMIT', 'DEFERRED_LIMIT', 'FRAG_L2_TOO_LONG', 'FRAG_INVALID_PROTO', 'CONNTRACK'],
  'IP_TTL',
];

/** Drops by OVN's rules. */
const OVN_FROM = 1 << 24;
const OVN = [
  ...['Unknown', 'EgressFirewall', 'AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'],
  ...['NetworkPolicy', 'MulticastNS', 'MulticastCluster', 'NetpolNode', 'NetpolNamespace'],
  'UDNIsolation',
];

/** The name that readers show for a number that they do not know. */
const UNKNOWN_NAME = 'SKB_DROP_UNKNOWN_CAUSE';
/** Such a number; 0 would make readers omit everything about the drop. */
const UNKNOWN_CODE = 0xffff;

/** Values of `PktDropLatestDropCause`. The code of a name that readers do not know is never 0. */
export const DROP_CAUSES: Codes = codesOf(
  {
    ...numbered('SKB_DROP_REASON_', CORE, CORE_FROM),
    ...numbered('OVS_DROP_', OVS, OVS_FROM),
    ...numbered('NetworkEvent_', OVN, OVN_FROM),
  },
  { nameOf: () => UNKNOWN_NAME, codeOf: () => UNKNOWN_CODE },
);

/**
 * Values of `PktDropLatestState`. `flowlogs-pipeline` skips TCP_TIME_WAIT, which is 6 in the
 * kernel, so it names each later state after the one before it. These are the numbers of
 * `flowlogs-pipeline`.
 */
export const DROP_STATES: Codes = codesOf(
  {
    TCP_ESTABLISHED: 1,
    TCP_SYN_SENT: 2,
    TCP_SYN_RECV: 3,
    TCP_FIN_WAIT1: 4,
    TCP_FIN_WAIT2: 5,
    TCP_CLOSE: 6,
    TCP_CLOSE_WAIT: 7,
    TCP_LAST_ACK: 8,
    TCP_LISTEN: 9,
    TCP_CLOSING: 10,
    TCP_NEW_SYN_RECV: 11,
  },
  { nameOf: () => 'TCP_INVALID_STATE', codeOf: () => 0xff },
);

function numbered(
  prefix: string,
  names: readonly string[],
  from: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name, index) => [prefix + name, from + index]));
}
