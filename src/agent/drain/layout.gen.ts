// Generated from the BTF of bpf/layout.bpf.c by scripts/gen-layout.ts; do not edit.

/** Byte offsets in `struct flow_key`. */
export const flowKey = {
  sizeBytes: 40,
  srcIp: 0, // 16 B
  dstIp: 16, // 16 B
  srcPort: 32, // 2 B
  dstPort: 34, // 2 B
  protocol: 36, // 1 B
  icmpType: 37, // 1 B
  icmpCode: 38, // 1 B
  mapped: 39, // 1 B
} as const;

/** Byte offsets in `struct flow_metrics`. */
export const flowMetrics = {
  sizeBytes: 104,
  observedMax: 6,
  bytes: 0, // 8 B
  packets: 8, // 8 B
  endNs: 16, // 8 B
  tcpFlags: 24, // 2 B
  vlanId: 26, // 2 B
  tcpFlagsWord: 24, // 4 B
  dscp: 28, // 1 B
  state: 29, // 1 B
  ethProtocol: 30, // 2 B
  stateWord: 28, // 4 B
  observed: 32, // 48 B, 6 elements
  startNs: 80, // 8 B
  sampling: 88, // 4 B
  srcMac: 92, // 6 B
  dstMac: 98, // 6 B
} as const;

/** Byte offsets in `struct observed_interface`. */
export const observedInterface = {
  sizeBytes: 8,
  netns: 0, // 4 B
  ifindexSeen: 4, // 4 B
} as const;

/** Byte offsets in `struct stat_value`. */
export const statValue = {
  sizeBytes: 16,
  packets: 0, // 8 B
  bytes: 8, // 8 B
} as const;

/** Byte offsets in `struct config`. */
export const config = {
  sizeBytes: 112,
  vxlanPortsMax: 4,
  genevePortsMax: 4,
  sampling: 0, // 4 B
  wakeEntries: 4, // 4 B
  rttAt: 8, // 2 B
  dropsAt: 10, // 2 B
  dnsAt: 12, // 2 B
  tlsAt: 14, // 2 B
  quicAt: 16, // 2 B
  natAt: 18, // 2 B
  tcpAt: 20, // 2 B
  processAt: 22, // 2 B
  tunnelAt: 24, // 2 B
  ipsecAt: 26, // 2 B
  eventsAt: 28, // 2 B
  opensslAt: 30, // 2 B
  filterAt: 32, // 2 B
  dnsPort: 34, // 2 B
  valueBytes: 36, // 2 B
  vxlanPorts: 38, // 8 B, 4 elements
  genevePorts: 46, // 8 B, 4 elements
  hasNetnsCookie: 54, // 1 B
  quicMode: 55, // 1 B
  eventGroup: 56, // 1 B
  filterRules: 57, // 1 B
  filterSamples: 58, // 1 B
  filterUnmatched: 59, // 1 B
  filterConditions: 60, // 2 B
  captureBytes: 64, // 4 B
  captureWakeBytes: 68, // 4 B
  tagFirst: 72, // 2 B
  tagNotFlow: 74, // 2 B
  tagUnmatched: 76, // 2 B
  tagRejected: 78, // 2 B
  tagSeed: 80, // 8 B
  tagFactor: 88, // 8 B
  tagSampledOut: 96, // 2 B
  watchedOnly: 98, // 1 B
  dropsOfOthers: 99, // 1 B
  flowEntries: 100, // 4 B
  watchesIngress: 104, // 1 B
  watchesEgress: 105, // 1 B
} as const;

/** Byte offsets in `struct message`. */
export const message = {
  sizeBytes: 72,
  key: 0, // 40 B
  timeNs: 40, // 8 B
  length: 48, // 4 B
  missing: 52, // 4 B
  sequence: 56, // 4 B
  asked: 60, // 2 B
  kind: 62, // 1 B
  place: 64, // 8 B
} as const;

/** Byte offsets in `struct rtt_metrics`. */
export const rttMetrics = {
  sizeBytes: 8,
  smoothedUs: 0, // 4 B
  minUs: 4, // 4 B
} as const;

/** Byte offsets in `struct drop_metrics`. */
export const dropMetrics = {
  sizeBytes: 32,
  bytes: 0, // 8 B
  packets: 8, // 8 B
  location: 16, // 8 B
  reason: 24, // 4 B
  tcpFlags: 28, // 2 B
  tcpState: 30, // 1 B
} as const;

/** Byte offsets in `struct dns_metrics`. */
export const dnsMetrics = {
  sizeBytes: 32,
  latencyNs: 0, // 8 B
  queries: 8, // 4 B
  repeated: 12, // 4 B
  lost: 16, // 4 B
  id: 20, // 2 B
  flags: 22, // 2 B
  error: 24, // 2 B
  seen: 26, // 1 B
} as const;

/** Byte offsets in `struct tls_metrics`. */
export const tlsMetrics = {
  sizeBytes: 8,
  types: 0, // 1 B
  known: 1, // 1 B
  hellos: 2, // 1 B
  misses: 3, // 1 B
  wanted: 4, // 2 B
  until: 6, // 2 B
} as const;

/** Byte offsets in `struct quic_metrics`. */
export const quicMetrics = {
  sizeBytes: 8,
  version: 0, // 4 B
  seenLongHeader: 4, // 1 B
  seenShortHeader: 5, // 1 B
  isKnown: 6, // 1 B
  misses: 7, // 1 B
} as const;

/** Byte offsets in `struct nat_metrics`. */
export const natMetrics = {
  sizeBytes: 40,
  srcIp: 0, // 16 B
  dstIp: 16, // 16 B
  srcPort: 32, // 2 B
  dstPort: 34, // 2 B
  zone: 36, // 2 B
  state: 38, // 1 B
  lookups: 39, // 1 B
} as const;

/** Byte offsets in `struct tcp_metrics`. */
export const tcpMetrics = {
  sizeBytes: 24,
  handshakeNs: 0, // 8 B
  retransmissions: 8, // 4 B
  resets: 12, // 4 B
  failedConnects: 16, // 4 B
  zeroWindows: 20, // 4 B
} as const;

/** Byte offsets in `struct process_metrics`. */
export const processMetrics = {
  sizeBytes: 32,
  cgroup: 0, // 8 B
  pid: 8, // 4 B
  comm: 12, // 16 B
  attempts: 28, // 1 B
} as const;

/** Byte offsets in `struct tunnel_metrics`. */
export const tunnelMetrics = {
  sizeBytes: 40,
  srcIp: 0, // 16 B
  dstIp: 16, // 16 B
  id: 32, // 4 B
  type: 36, // 1 B
} as const;

/** Byte offsets in `struct ipsec_metrics`. */
export const ipsecMetrics = {
  sizeBytes: 8,
  result: 0, // 4 B
  seen: 4, // 1 B
} as const;

/** Byte offsets in `struct event_metrics`. */
export const eventMetrics = {
  sizeBytes: 80,
  cookiesMax: 4,
  bytesMax: 4,
  packetsMax: 4,
  cookies: 0, // 32 B, 4 elements
  bytes: 32, // 32 B, 4 elements
  packets: 64, // 16 B, 4 elements
} as const;

/** Byte offsets in `struct openssl_metrics`. */
export const opensslMetrics = {
  sizeBytes: 8,
  bytes: 0, // 8 B
} as const;

/** Byte offsets in `struct openssl_totals`. */
export const opensslTotals = {
  sizeBytes: 24,
  calls: 0, // 8 B
  bytes: 8, // 8 B
  unlinkedBytes: 16, // 8 B
} as const;

/** Byte offsets in `struct filter_metrics`. */
export const filterMetrics = {
  sizeBytes: 8,
  wanted: 0, // 1 B
} as const;

/** Byte offsets in `struct filter_rule`. */
export const filterRule = {
  sizeBytes: 144,
  maskMax: 2,
  networkMax: 2,
  peerMaskMax: 2,
  peerNetworkMax: 2,
  portsMax: 16,
  mask: 0, // 16 B, 2 elements
  network: 16, // 16 B, 2 elements
  peerMask: 32, // 16 B, 2 elements
  peerNetwork: 48, // 16 B, 2 elements
  ports: 64, // 64 B, 16 elements
  conditions: 128, // 4 B
  sample: 132, // 4 B
  tcpFlags: 136, // 2 B
  sourceEnd: 138, // 1 B
  destinationEnd: 139, // 1 B
  eitherEnd: 140, // 1 B
  protocol: 141, // 1 B
  icmpType: 142, // 1 B
  icmpCode: 143, // 1 B
} as const;

/** Byte offsets in `struct port_range`. */
export const portRange = {
  sizeBytes: 4,
  first: 0, // 2 B
  last: 2, // 2 B
} as const;

/** Byte offsets in `struct captured_packet`. */
export const capturedPacket = {
  sizeBytes: 40,
  timeNs: 0, // 8 B
  length: 8, // 4 B
  original: 12, // 4 B
  wirePackets: 16, // 4 B
  wireBytes: 20, // 4 B
  ifindex: 24, // 4 B
  netns: 28, // 4 B
  vlanTci: 32, // 2 B
  vlanProtocol: 34, // 2 B
  egress: 36, // 1 B
  hasL2: 37, // 1 B
} as const;

/** Byte offsets in `struct dns_query`. */
export const dnsQuery = {
  sizeBytes: 272,
  timeNs: 0, // 8 B
  length: 8, // 2 B
  question: 10, // 259 B
} as const;

/** `enum stat`. */
export const stat = {
  sampledOut: 0,
  notIp: 1,
  malformed: 2,
  mapFull: 3,
  mapError: 4,
  rejected: 5,
  unmatched: 6,
  interfacesMissed: 7,
  messagesLost: 8,
  featureLost: 9,
  probeLost: 10,
  captureFull: 11,
  notWatched: 12,
  otherHost: 13,
  unexplained: 14,
  notLookedInto: 15,
  dnsUnfollowed: 16,
  dnsUnasked: 17,
  sideBusy: 18,
  count: 19,
} as const;

/** `enum ifindex_seen`. */
export const ifindexSeen = {
  ifindexMask: 134217727,
  firstEgress: 134217728,
  bornIngress: 268435456,
  bornEgress: 536870912,
  seenIngress: 1073741824,
  seenEgress: 2147483648,
} as const;

/** `enum message_kind`. */
export const messageKind = {
  dns: 1,
  tls: 2,
  tlsMore: 3,
} as const;

/** `enum message_room`. */
export const messageRoom = {
  small: 192,
  medium: 576,
  large: 2048,
} as const;

/** `enum dns_seen`. */
export const dnsSeen = {
  response: 1,
  unreadable: 2,
} as const;

/** `enum tls_seen`. */
export const tlsSeen = {
  clientHello: 1,
  serverHello: 2,
  otherHandshake: 4,
  changeCipher: 8,
  alert: 16,
  appData: 32,
} as const;

/** `enum tunnel_type`. */
export const tunnelType = {
  vxlan: 1,
  geneve: 2,
} as const;

/** `enum nat_state`. */
export const natState = {
  unknown: 0,
  none: 1,
  translated: 2,
} as const;

/** `enum event_fate`. */
export const eventFate = {
  good: 0,
  otherGroup: 1,
  noCookie: 2,
  unreadable: 3,
  noFlow: 4,
  overflow: 5,
  fates: 6,
} as const;

/** `enum filter_condition`. */
export const filterCondition = {
  accept: 1,
  peer: 2,
  notIpv4: 4,
  ingress: 8,
  egress: 16,
  protocol: 32,
  sourcePort: 64,
  destinationPort: 128,
  eitherPort: 256,
  tcpFlags: 512,
  icmpType: 1024,
  icmpCode: 2048,
  drops: 4096,
  notIpv6: 8192,
} as const;

/** `enum hook_fact`. */
export const hookFact = {
  ingress: 1,
  sharesFlows: 2,
  bornIngress: 268435456,
  bornEgress: 536870912,
} as const;

/** `enum side_entries`. */
export const sideEntries = {
  fragments: 4096,
  dnsQueries: 8192,
  dnsStreams: 4096,
  quicFlows: 8192,
  capturedFlows: 8192,
  shares: 2048,
} as const;
