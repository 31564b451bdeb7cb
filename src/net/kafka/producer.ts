import type { ConnectionOptions } from 'node:tls';
import kafkajs from 'kafkajs';
import { assertExists } from '../../base/assert.ts';
import type { NetobservError } from '../../base/errors.ts';
import { addCodecs, COMPRESSION_TYPES, type Compression } from './compression.ts';
import { failureOf, kafkaError } from './failure.ts';
import { partialMetadata } from './partial-metadata.ts';
import { quietRequestQueue } from './quiet-queue.ts';
import { Sockets, seedName } from './sockets.ts';

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
  /** `HOST:PORT`, addresses of IPv6 in brackets. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly acks: Acks;
  readonly compression: Compression;
  readonly credentials: () => Promise<KafkaCredentials>;
}

/** Records of one partition of the topic, in bytes shared by all of them. */
export interface KafkaRecords {
  readonly partition: number;
  /** Keys of `KEY_BYTES` each, one behind the other. */
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  /** Value `r` is `values[offsets[r] .. offsets[r + 1]]`. */
  readonly offsets: Uint32Array;
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
  /** Undefined until the first call. */
  connected: Promise<kafkajs.Producer> | undefined;
  readonly sockets: Sockets;
  calls: number;
  isEnded: boolean;
}

/** Records that a partition may have, and the client under whose number it would know them. */
interface Unresolved {
  readonly records: KafkaRecords;
  readonly client: Client;
}

/** Ends a call of kafkajs that asked for the number of partitions only. */
class Counted extends Error {}

/** The topic was made anew, with fewer partitions. */
class Gone extends Error {}

/** Given up by its owner while kafkajs was still trying. */
class Ended extends Error {}

/**
 * Produces records, one record batch of one partition per request.
 *
 * With `acks` of all replicas it is idempotent: what fails may be sent again, and is stored once,
 * as long as it is sent before anything else for its partition. So there is one call at a time for
 * each, and when records were given up with an unknown end, the next ones for their partition are
 * sent under a new identity. Calls for other partitions go on under the old one until they end.
 * Without, records whose end is not known are never sent again.
 */
export class KafkaProducer {
  readonly #options: KafkaOptions;
  readonly #idempotent: boolean;
  /** For all that does not have to be sent by an older one. */
  #current: Client | undefined;
  readonly #clients = new Set<Client>();
  /** By partition; the next call is for the same records, unless they have been given up. */
  readonly #unresolved = new Map<number, Unresolved>();
  #partitions: number | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#idempotent = options.acks === -1;
    addCodecs();
    quietRequestQueue();
    partialMetadata();
  }

  get isIdempotent(): boolean {
    return this.#idempotent;
  }

  /** Partitions of the topic, as last heard. */
  get partitions(): number | undefined {
    return this.#partitions;
  }

  /** Asks the brokers for the number of partitions; nothing is sent. */
  async countPartitions(signal: AbortSignal): Promise<number> {
    return this.#call(this.#newest(), signal, async (producer) => {
      const { topic, acks } = this.#options;
      try {
        await producer.send({ topic, acks, messages: [{ value: null }] });
      } catch (error) {
        if (!(error instanceof Counted)) {
          throw kafkaError(`${topic}: no partitions are known`, failureOf(error).cause, 'send');
        }
      }
      return assertExists(this.#partitions, 'number of partitions: the partitioner was asked');
    });
  }

  /**
   * Resolves when all records are acknowledged, or, with `acks` 0, have left. Once the signal is
   * aborted they count as given up.
   */
  async send(records: KafkaRecords, signal: AbortSignal): Promise<void> {
    const client = this.#clientFor(records);
    await this.#call(client, signal, (producer) => this.#produce(client, producer, records));
  }

  /** Resolves when the brokers have been told, or cannot be. */
  async close(): Promise<void> {
    this.#current = undefined;
    this.#unresolved.clear();
    await Promise.all([...this.#clients].map((client) => this.#end(client)));
  }

  async #call<Result>(
    client: Client,
    signal: AbortSignal,
    run: (producer: kafkajs.Producer) => Promise<Result>,
  ): Promise<Result> {
    const onAbort = (): void => this.#replace(client);
    signal.addEventListener('abort', onAbort, { once: true });
    client.calls++;
    try {
      return await run(await this.#connected(client));
    } finally {
      signal.removeEventListener('abort', onAbort);
      client.calls--;
      this.#endUnused();
    }
  }

  #newest(): Client {
    this.#current ??= this.#open();
    return this.#current;
  }

  #clientFor(records: KafkaRecords): Client {
    const unresolved = this.#unresolved.get(records.partition);
    if (unresolved?.records === records) return unresolved.client;
    if (unresolved !== undefined) {
      this.#unresolved.delete(records.partition);
      this.#replace(unresolved.client);
    }
    return this.#newest();
  }

  #open(): Client {
    const client: Client = {
      producer: undefined,
      connected: undefined,
      sockets: new Sockets(),
      calls: 0,
      isEnded: false,
    };
    this.#clients.add(client);
    return client;
  }

  /** No new records are sent by it; it ends when nothing depends on it. */
  #replace(client: Client): void {
    if (this.#current === client) this.#current = undefined;
    this.#endUnused();
  }

  #endUnused(): void {
    const waiting = new Set(Array.from(this.#unresolved.values(), ({ client }) => client));
    for (const client of this.#clients) {
      const isUsed = client === this.#current || client.calls > 0 || waiting.has(client);
      if (!isUsed) void this.#end(client);
    }
  }

  async #end(client: Client): Promise<void> {
    this.#clients.delete(client);
    client.isEnded = true;
    if (client.calls > 0) client.sockets.destroy();
    await client.producer?.disconnect().catch(() => undefined);
    client.sockets.end();
  }

  /** Calls that run at a time share one attempt to connect. */
  #connected(client: Client): Promise<kafkajs.Producer> {
    client.connected ??= this.#connect(client).catch((error: unknown) => {
      this.#replace(client);
      const { brokers } = this.#options;
      throw kafkaError(`${brokers.join(', ')}: cannot connect`, failureOf(error).cause, 'send');
    });
    return client.connected;
  }

  async #connect(client: Client): Promise<kafkajs.Producer> {
    const credentials = await this.#options.credentials();
    if (client.isEnded) throw new Ended('the client was given up');
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
      brokers: brokers.map(seedName),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      authenticationTimeout: AUTHENTICATE_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      socketFactory: client.sockets.open,
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
    if (client.isEnded) throw new Ended('the client was given up');
    this.#partitions = partitionMetadata.length;
    const { partition } = message;
    if (partition === undefined) throw new Counted();
    if (partition >= partitionMetadata.length) throw new Gone(`of ${partitionMetadata.length}`);
    return partition;
  }

  async #produce(client: Client, producer: kafkajs.Producer, records: KafkaRecords): Promise<void> {
    const { topic, acks, compression } = this.#options;
    try {
      await producer.send({
        topic,
        acks,
        timeout: ACK_TIMEOUT_MS,
        compression: COMPRESSION_TYPES[compression],
        messages: messagesOf(records),
      });
    } catch (error) {
      const failure = this.#failed(client, records, error);
      if (failure !== undefined) throw failure;
    }
    this.#unresolved.delete(records.partition);
  }

  /** What to tell the caller; undefined when the records had arrived. */
  #failed(client: Client, records: KafkaRecords, error: unknown): NetobservError | undefined {
    const { partition } = records;
    const { outcome, cause } = failureOf(error);
    if (outcome === 'duplicate') return undefined;
    const what = `${this.#options.topic}, partition ${partition}: records were not taken`;
    if (outcome === 'refused' || cause instanceof Gone) {
      return kafkaError(what, cause, 'refused');
    }
    if (!this.#idempotent) {
      return kafkaError(what, cause, outcome === 'unknown' ? 'unanswered' : 'send');
    }
    if (outcome === 'fenced') {
      this.#unresolved.delete(partition);
      this.#replace(client);
    } else {
      this.#unresolved.set(partition, { records, client });
    }
    return kafkaError(what, cause, 'send');
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

function messagesOf({ partition, keys, values, offsets }: KafkaRecords): kafkajs.Message[] {
  return Array.from({ length: offsets.length - 1 }, (_, record) => ({
    key: bufferOf(keys, record * KEY_BYTES, (record + 1) * KEY_BYTES),
    value: bufferOf(values, offsets[record]!, offsets[record + 1]!),
    partition,
  }));
}

function bufferOf({ buffer, byteOffset }: Uint8Array, from: number, to: number): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset + from, to - from);
}
