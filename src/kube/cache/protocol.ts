/**
 * The protocol `k8scache` of flowlogs-pipeline: one program reads the API and pushes what it knows
 * to every processor. The processor is the gRPC server. It asks for a snapshot; the other side
 * sends it in parts, then changes; the processor acknowledges each message.
 */
export const METHOD = '/k8scache.KubernetesCacheService/StreamUpdates';

/** The largest message that flowlogs-pipeline takes. */
export const MESSAGE_BYTES_MAX = 50 * 1024 * 1024;

export const OPERATION = { add: 1, update: 2, delete: 3 } as const;

/** Numbers of fields. */
export const SYNC = { request: 1, ack: 2 } as const;
export const REQUEST = { processorId: 1, lastVersion: 2 } as const;
export const ACK = { processorId: 1, version: 2, success: 3, error: 4 } as const;
export const UPDATE = { version: 1, isSnapshot: 2, entries: 3, operation: 4 } as const;
export const PAIR = { key: 1, value: 2 } as const;
export const ENTRY = {
  kind: 1,
  namespace: 2,
  name: 3,
  uid: 4,
  ownerName: 5,
  ownerKind: 6,
  hostName: 7,
  hostIp: 8,
  networkName: 9,
  ips: 10,
  networkKeys: 11,
  labels: 12,
  annotations: 13,
  /** Seconds since 1970. */
  created: 14,
  networkNames: 16,
  terminated: 17,
  /**
   * Ours, which others skip: since when the object has its addresses (milliseconds since 1970),
   * whether that is exact, and when it gave them back. Ports of a service on nodes.
   */
  fromMs: 1000,
  isExact: 1001,
  toMs: 1002,
  nodePorts: 1003,
} as const;

/** A message that others get: `SyncMessage`. */
export type SyncMessage =
  | { readonly type: 'request'; readonly processorId: string; readonly lastVersion: number }
  | {
      readonly type: 'ack';
      readonly processorId: string;
      readonly version: number;
      /** Empty: it was applied. */
      readonly error: string;
    };
