import type kafkajs from 'kafkajs';
import { assertExists } from '../../base/assert.ts';
import type { NetobservError } from '../../base/errors.ts';
import { createClient, prepareLibrary } from './client.ts';
import { COMPRESSION_TYPES } from './compression.ts';
import { failureOf, kafkaError } from './failure.ts';
import {
  isIdempotent,
  type KafkaCredentials,
  type KafkaOptions,
  type KafkaRecords,
} from './options.ts';
import { Sockets } from './sockets.ts';

/** Wait for replicas; the answer has to arrive within the request's time. */
const ACK_TIMEOUT_MS = 8000;

/** Attempts beyond the first within one call: stale metadata makes the first one fail. */
const RETRIES = 1;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 1000;

/**
 * A client of kafkajs and the state that must not outlive it. A broker assigns it a number when it
 * connects, and counts the records of each partition under that number, so that records sent twice
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

/** Records that a partition may already have, and the client whose number they were sent under. */
interface Unresolved {
  readonly records: KafkaRecords;
  readonly client: Client;
}

/** Ends a call of kafkajs that only counts the partitions. */
class Counted extends Error {}

/** The topic was created again, with fewer partitions. */
class Gone extends Error {}

/** The owner gave up while kafkajs was still trying. */
class Ended extends Error {}

/**
 * Produces records, one record batch of one partition per request.
 *
 * With `acks` of all replicas it is idempotent: failed records may be sent again, and are stored
 * once, as long as they are sent before any others for their partition. So each partition has one
 * call at a time. When records were given up with an unknown outcome, the next ones for their
 * partition are sent under a new identity; calls for other partitions go on under the old one until
 * they end. Without idempotence, records with an unknown outcome are never sent again.
 */
export class KafkaProducer {
  readonly #options: KafkaOptions;
  readonly #idempotent: boolean;
  /** Sends all records except those that an older client must send again. */
  #current: Client | undefined;
  readonly #clients = new Set<Client>();
  /** By partition; the next call sends the same records, unless they were given up. */
  readonly #unresolved = new Map<number, Unresolved>();
  #partitions: number | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
    this.#idempotent = isIdempotent(options);
    prepareLibrary();
  }

  /** Partitions of the topic, as last reported. */
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
   * Resolves when all records are acknowledged, or, with `acks` 0, have been sent. Once the signal
   * is aborted they count as given up.
   */
  async send(records: KafkaRecords, signal: AbortSignal): Promise<void> {
    const client = this.#clientFor(records);
    await this.#call(client, signal, (producer) => this.#produce(client, producer, records));
  }

  /** Resolves when the brokers have been notified or cannot be reached. */
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

  /** It sends no new records, and ends when nothing depends on it. */
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

  /** Concurrent calls share one attempt to connect. */
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

  #newProducer(client: Client, credentials: KafkaCredentials): kafkajs.Producer {
    const { brokers, clientId } = this.#options;
    const retry = {
      retries: this.#idempotent ? RETRIES : 0,
      initialRetryTime: RETRY_FIRST_MS,
      maxRetryTime: RETRY_MAX_MS,
    };
    const { sockets } = client;
    const kafka = createClient({ clientId, brokers, credentials, sockets, retry });
    return kafka.producer({
      idempotent: this.#idempotent,
      retry,
      createPartitioner: () => (args) => this.#choose(client, args),
    });
  }

  /** Called for each record and attempt; throwing here makes kafkajs give up. */
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

  /** The error for the caller; undefined when the records had arrived. */
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

function messagesOf({ partition, keys, values, offsets }: KafkaRecords): kafkajs.Message[] {
  const count = offsets.length - 1;
  const keyBytes = keys.length / count;
  return Array.from({ length: count }, (_, record) => ({
    key: bufferOf(keys, record * keyBytes, (record + 1) * keyBytes),
    value: bufferOf(values, offsets[record]!, offsets[record + 1]!),
    partition,
  }));
}

function bufferOf({ buffer, byteOffset }: Uint8Array, from: number, to: number): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset + from, to - from);
}
