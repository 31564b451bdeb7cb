// Generated from the BTF of bpf/flows.bpf.c by scripts/gen-layout.ts; do not edit.

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
  firstDirection: 29, // 1 B
  ethProtocol: 30, // 2 B
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
  sizeBytes: 16,
  sampling: 0, // 4 B
  wakeEntries: 4, // 4 B
  hasNetnsCookie: 8, // 1 B
} as const;

/** `enum stat`. */
export const stat = {
  sampledOut: 0,
  notIp: 1,
  malformed: 2,
  mapFull: 3,
  mapError: 4,
  interfacesMissed: 5,
  count: 6,
} as const;

/** `enum ifindex_seen`. */
export const ifindexSeen = {
  ifindexMask: 1073741823,
  seenIngress: 1073741824,
  seenEgress: 2147483648,
} as const;
