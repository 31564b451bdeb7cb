import type { ConnectionOptions } from 'node:tls';
import kafkajs from 'kafkajs';
import type { NetobservError } from '../../base/errors.ts';
import { addCodecs, COMPRESSION_TYPES, type Compression } from './compression.ts';
import { failureOf, kafkaError } from './failure.ts';
import { partitionOf } from './partition.ts';
import { quietRequestQueue } from './quiet-queue.ts';

/** -1: all replicas that are in sync, 1: the leader, 0: nobody answers. */
export type Acks = -1 | 0 | 1;

export interface KafkaTls {
  /** PEM; undefined means the usual authorities. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipVerify: boolean;
}

export type KafkaSasl = Extract<
  kafkajs.SASLOptions,
  { readonly mechanism: 'plain' | 'scram-sha-512' }
>;

/** Secrets and certificates, read again for each new client, since they are renewed. */
export interface KafkaCredentials {
  readonly tls?: KafkaTls;
  readonly sasl?: KafkaSasl;
}

export interface KafkaOptions {
  readonly clientId: string;
  /** `host:port`. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly acks: Acks;
  readonly compression: Compression;
  readonly credentials: () => Promise<KafkaCredentials>;
}

/** Records of one topic, in bytes shared by all of them. */
export interface KafkaRecords {
  /** Keys of `KEY_BYTES` each, one behind the other. */
  readonly keys: Uint8Array;
  /** FNV-1a of each key. */
  readonly hashes: Uint32Array;
  readonly values: Uint8Array;
  /** Value `r` is `values[offsets[r] .. offsets[r + 1]]`. */
  readonly offsets: Uint32Array;
  /** 1 for each record that the broker has: what is sent again leaves them out. */
  readonly delivered: Uint8Array;
}

/** The two addresses of a flow. */
export const KEY_BYTES = 32;

const CONNECT_TIMEOUT_MS = 3000;
const AUTHENTICATE_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Of replicas; the answer has to arrive within the request's time. */
const ACK_TIMEOUT_MS = 8000;

/** Attempts beyond the first within one call: stale metadata makes the first one fail. */
const RETRIES = 1;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 1000;

/** Times that the number of partitions may change during one call. */
const REPARTITIONS_MAX = 3;

/** No call takes longer, connecting, asking for metadata, and all of it once more. */
export const SEND_MAX_MS = 90_000;

/**
 * A client of kafkajs and what must not outlive it: a broker knows it by a number that it was given
 * when it connected, and counts the records of each partition under it, so that records sent twice
 * are stored once.
 */
interface Client {
  /** Undefined until the credentials have been read. */
  producer: kafkajs.Producer | undefined;
  isDiscarded: boolean;
}

/** The topic has another number of partitions than the one that the records were divided by. */
class Repartitioned extends Error {}

/** Given up by its owner while kafkajs was still trying. */
class Discarded extends Error {}

/**
 * Produces records, one record batch per partition and request.
 *
 * With `acks` of all replicas it is idempotent: what fails may be sent again, and is stored once,
 * as long as it is sent before anything else. So there is one call at a time, and records that were
 * given up with an unknown end make it begin under a new identity. Without, records whose end is
 * not known are never sent again.
 */
export class KafkaProducer {
  readonly #options: KafkaOptions;
  readonly #idempotent: boolean;
  #client: Client | undefined;
  /** Of `#client`, when it is connected. */
  #ready: Promise<kafkajs.Producer> | undefined;
  /** Of the topic, as far as known; one makes the first attempt tell. */
  #partitions = 1;
  #unresolved: KafkaRecords | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#idempotent = options.acks === -1;
    addCodecs();
    quietRequestQueue();
  }

  get isIdempotent(): boolean {
    return this.#idempotent;
  }

  /** Partitions of the topic, as far as known. */
  get partitions(): number {
    return this.#partitions;
  }

  /**
   * Resolves when all records are acknowledged, or, with `acks` 0, have left. When it rejects, some
   * of them may be delivered nevertheless, if they are of several partitions.
   */
  async send(records: KafkaRecords): Promise<void> {
    if (this.#unresolved !== undefined && this.#unresolved !== records) this.discard();
    const producer = await this.#connected();
    for (let times = 1; ; times++) {
      try {
        await this.#sendParts(producer, records);
        return;
      } catch (error) {
        if (!(error instanceof Repartitioned)) throw error;
        if (times === REPARTITIONS_MAX) throw kafkaError(error.message, undefined, true);
      }
    }
  }

  /** Lets go of the client, also in the middle of a call; the next one gets another. */
  discard(): void {
    // It is of no interest any more how that ends.
    void this.close();
  }

  /** Resolves when the brokers have been told, or cannot be. */
  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#ready = undefined;
    this.#unresolved = undefined;
    if (client === undefined) return;
    client.isDiscarded = true;
    await client.producer?.disconnect().catch(() => undefined);
  }

  /** Calls that run at a time share one attempt to connect. */
  #connected(): Promise<kafkajs.Producer> {
    if (this.#ready !== undefined) return this.#ready;
    const client: Client = { producer: undefined, isDiscarded: false };
    this.#client = client;
    this.#ready = this.#connect(client).catch((error: unknown) => {
      if (this.#client === client) this.discard();
      const { brokers } = this.#options;
      throw kafkaError(`${brokers.join(', ')}: cannot connect`, failureOf(error).cause, true);
    });
    return this.#ready;
  }

  async #connect(client: Client): Promise<kafkajs.Producer> {
    const credentials = await this.#options.credentials();
    if (client.isDiscarded) throw new Discarded('the client was given up');
    const producer = this.#newProducer(client, credentials);
    client.producer = producer;
    await producer.connect();
    return producer;
  }

  #newProducer(client: Client, { tls, sasl }: KafkaCredentials): kafkajs.Producer {
    const { brokers, clientId } = this.#options;
    const retry = {
      retries: this.#idempotent ? RETRIES : 0,
      initialRetryTime: RETRY_FIRST_MS,
      maxRetryTime: RETRY_MAX_MS,
    };
    const kafka = new kafkajs.Kafka({
      clientId,
      brokers: [...brokers],
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: AUTHENTICATE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      retry,
      // Failures are told, and counted, by who calls us.
      logLevel: kafkajs.logLevel.NOTHING,
      ...(tls === undefined ? {} : { ssl: sslOf(tls) }),
      ...(sasl === undefined ? {} : { sasl }),
    });
    return kafka.producer({
      idempotent: this.#idempotent,
      retry,
      createPartitioner: () => (args) => this.#choose(client, args),
    });
  }

  /** Called for each record and attempt; also the place where kafkajs can be made to give up. */
  #choose(client: Client, { message, partitionMetadata }: kafkajs.PartitionerArgs): number {
    if (client.isDiscarded) throw new Discarded('the client was given up');
    if (partitionMetadata.length !== this.#partitions) {
      this.#partitions = partitionMetadata.length;
      throw new Repartitioned(`${this.#partitions} partitions`);
    }
    return message.partition!;
  }

  async #sendParts(producer: kafkajs.Producer, records: KafkaRecords): Promise<void> {
    const parts = divide(records, this.#partitions);
    for (const [partition, part] of parts.entries()) {
      if (part.length === 0) continue;
      const isDelivered = await this.#sendPart(producer, records, partition, part);
      if (!isDelivered) continue;
      for (const record of part) records.delivered[record] = 1;
    }
    this.#unresolved = undefined;
  }

  async #sendPart(
    producer: kafkajs.Producer,
    records: KafkaRecords,
    partition: number,
    part: readonly number[],
  ): Promise<boolean> {
    const { topic, acks, compression } = this.#options;
    const messages = part.map((record) => messageOf(records, record, partition));
    try {
      await producer.send({
        topic,
        acks,
        timeout: ACK_TIMEOUT_MS,
        compression: COMPRESSION_TYPES[compression],
        messages,
      });
      return true;
    } catch (error) {
      if (error instanceof Repartitioned) throw error;
      const failure = this.#failed(producer, records, partition, error);
      if (failure === undefined) return true;
      throw failure;
    }
  }

  /** What to tell the caller; undefined when the records had arrived. */
  #failed(
    producer: kafkajs.Producer,
    records: KafkaRecords,
    partition: number,
    error: unknown,
  ): NetobservError | undefined {
    const { outcome, cause } = failureOf(error);
    if (outcome === 'duplicate') return undefined;
    const what = `${this.#options.topic}, partition ${partition}: records were not taken`;
    if (outcome === 'refused') return kafkaError(what, cause, false);
    if (!this.#idempotent) return kafkaError(what, cause, outcome !== 'unknown');
    if (outcome === 'fenced') {
      if (this.#client?.producer === producer) this.discard();
    } else {
      this.#unresolved = records;
    }
    return kafkaError(what, cause, true);
  }
}

function sslOf({ ca, cert, key, insecureSkipVerify }: KafkaTls): ConnectionOptions {
  return {
    rejectUnauthorized: !insecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** The records of each partition that are yet to be delivered. */
function divide(
  { hashes, delivered }: KafkaRecords,
  partitions: number,
): readonly (readonly number[])[] {
  const parts: number[][] = Array.from({ length: partitions }, () => []);
  for (let record = 0; record < hashes.length; record++) {
    if (delivered[record] === 1) continue;
    parts[partitionOf(hashes[record]!, partitions)]!.push(record);
  }
  return parts;
}

function messageOf(
  { keys, values, offsets }: KafkaRecords,
  record: number,
  partition: number,
): kafkajs.Message {
  const start = offsets[record]!;
  const keyAt = keys.byteOffset + record * KEY_BYTES;
  return {
    key: Buffer.from(keys.buffer as ArrayBuffer, keyAt, KEY_BYTES),
    value: Buffer.from(
      values.buffer as ArrayBuffer,
      values.byteOffset + start,
      offsets[record + 1]! - start,
    ),
    partition,
  };
}
