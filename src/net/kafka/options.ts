import type kafkajs from 'kafkajs';
import type { Compression } from './compression.ts';

/** Options and records of the producer, for callers that do not load kafkajs with it. */

/** -1: all replicas in sync, 1: the leader, 0: no answer. */
export type Acks = -1 | 0 | 1;

/** By the words of our configurations. */
export const ACKS = { all: -1, leader: 1, none: 0 } as const satisfies Record<string, Acks>;

export interface KafkaTls {
  /** PEM; undefined: Node's default authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipVerify: boolean;
}

export type KafkaSasl = Extract<
  kafkajs.SASLOptions,
  { readonly mechanism: 'plain' | 'scram-sha-512' }
>;

/** Secrets and certificates, read again for each new client, since they may be renewed. */
export interface KafkaCredentials {
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
}

export interface KafkaOptions {
  readonly clientId: string;
  /** `HOST:PORT`, IPv6 addresses in brackets. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly acks: Acks;
  readonly compression: Compression;
  readonly credentials: () => Promise<KafkaCredentials>;
}

/** Whether records that are sent again are stored once. */
export function isIdempotent({ acks }: Pick<KafkaOptions, 'acks'>): boolean {
  return acks === ACKS.all;
}

/** Records of one partition of the topic, in shared buffers. */
export interface KafkaRecords {
  readonly partition: number;
  /** Keys of one length, one after the other. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** Value `r` is `values[offsets[r] .. offsets[r + 1]]`. */
  readonly offsets: Uint32Array;
}

/** Upper bound of a call: connecting, fetching metadata, and all of it once more. */
export const SEND_MAX_MS = 90_000;
