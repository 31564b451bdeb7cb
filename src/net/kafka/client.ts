import type { ConnectionOptions } from 'node:tls';
import kafkajs from 'kafkajs';
import { addCodecs } from './compression.ts';
import type { KafkaCredentials, KafkaTls } from './options.ts';
import { partialMetadata } from './partial-metadata.ts';
import { quietRequestQueue } from './quiet-queue.ts';
import { type Sockets, seedName } from './sockets.ts';

const CONNECT_TIMEOUT_MS = 3000;
const AUTHENTICATE_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;

export interface KafkaClientOptions {
  readonly clientId: string;
  /** `HOST:PORT`, IPv6 addresses in brackets. */
  readonly brokers: readonly string[];
  readonly credentials: KafkaCredentials;
  readonly sockets: Sockets;
  readonly retry: kafkajs.RetryOptions;
}

/** Mends and completes kafkajs, whose tables are global to the process. */
export function prepareLibrary(): void {
  addCodecs();
  quietRequestQueue();
  partialMetadata();
}

/** A client of kafkajs with our limits of time. It writes no log: its owner reports failures. */
export function createClient(options: KafkaClientOptions): kafkajs.Kafka {
  const { clientId, brokers, sockets, retry } = options;
  const { tls, sasl } = options.credentials;
  return new kafkajs.Kafka({
    clientId,
    brokers: brokers.map(seedName),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: AUTHENTICATE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    socketFactory: sockets.open,
    retry,
    logLevel: kafkajs.logLevel.NOTHING,
    ...(tls === undefined ? {} : { ssl: sslOf(tls) }),
    ...(sasl === undefined ? {} : { sasl }),
  });
}

function sslOf({ ca, cert, key, insecureSkipVerify }: KafkaTls): ConnectionOptions {
  return {
    rejectUnauthorized: !insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
