import type kafkajs from 'kafkajs';
import { assignerOf, type Balancer } from './assigners.ts';
import { createClient, prepareLibrary } from './client.ts';
import type { KafkaCredentials } from './options.ts';
import { Sockets } from './sockets.ts';

/** The group gives up a member from which it has not heard for so long. */
const SESSION_TIMEOUT_MS = 30_000;
/** Time for members to join again, before the group goes on without them. */
const REBALANCE_TIMEOUT_MS = 60_000;
const HEARTBEAT_INTERVAL_MS = 3000;
/** New partitions, and leaders of partitions that had none, are found after this time. */
const METADATA_MAX_AGE_MS = 30_000;
/** Bytes of one answer, unless a partition's share is larger. */
const ANSWER_BYTES_MAX = 10 * 1024 * 1024;
/** Attempts within one membership; afterwards the owner begins a new one. */
const RETRY = { retries: 5, initialRetryTime: 300, maxRetryTime: 5000 } as const;

export interface MembershipOptions {
  readonly clientId: string;
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly groupId: string;
  readonly balancers: readonly Balancer[];
  /** Where to begin if the group has committed no offset. */
  readonly isFromBeginning: boolean;
  /** Bytes of one partition in an answer. */
  readonly partitionBytesMax: number;
  /** How long a broker waits for messages before it answers, milliseconds. */
  readonly fetchWaitMs: number;
  /** Read again for each membership. */
  readonly credentials: () => Promise<KafkaCredentials>;
}

export interface KafkaMessage {
  readonly offset: string;
  readonly value: Uint8Array | null;
}

/** Messages of one partition, in one answer of a broker. */
export interface Fetched {
  readonly partition: number;
  /** Offset after the last message that consumers may read. */
  readonly highWatermark: number;
  /** Offset to read on at; there may be records between that are not messages. */
  readonly end: number;
  readonly messages: readonly KafkaMessage[];
}

/** The next answer is asked for when `fetched` resolves. */
export interface Turn {
  /** Rejects if the group is being divided anew. */
  heartbeat(): Promise<void>;
  /** Reading goes on at this offset; what is not resolved is fetched again. */
  resolve(offset: number): void;
}

export interface MemberEvents {
  /** The member has joined and owns these partitions, and no others. */
  assigned(partitions: readonly number[]): void;
  /** Called before it joins again; it owns its partitions until this resolves. */
  revoked(): Promise<void>;
  fetched(fetched: Fetched, turn: Turn): Promise<void>;
}

export interface Membership {
  /** Resolves to the reason when the membership cannot go on. */
  readonly failed: Promise<unknown>;
  /** Commits offsets by partition. */
  commit(offsets: ReadonlyMap<number, number>): Promise<void>;
  /** Reads no more; heartbeats go on. */
  pause(): void;
  /** Leaves the group. */
  close(): Promise<void>;
}

/**
 * Becomes a member of a group. An aborted `signal` closes the connections at once. Rejects if no
 * broker can be reached.
 */
export async function joinGroup(
  options: MembershipOptions,
  events: MemberEvents,
  signal: AbortSignal,
): Promise<Membership> {
  prepareLibrary();
  const { topic } = options;
  const sockets = new Sockets();
  signal.addEventListener('abort', () => sockets.destroy(), { once: true });
  const consumer = createConsumer(options, await options.credentials(), sockets, events.revoked);
  const failure = Promise.withResolvers<unknown>();
  consumer.on(consumer.events.CRASH, ({ payload }) => failure.resolve(payload.error));
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    events.assigned(payload.memberAssignment[topic] ?? []),
  );
  const close = async (): Promise<void> => {
    await consumer.disconnect().catch(() => undefined);
    sockets.end();
  };
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: options.isFromBeginning });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: (payload) => take(payload, events),
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    failed: failure.promise,
    commit: (offsets) =>
      consumer.commitOffsets(
        Array.from(offsets, ([partition, offset]) => ({ topic, partition, offset: `${offset}` })),
      ),
    pause: () => consumer.pause([{ topic }]),
    close,
  };
}

function createConsumer(
  { clientId, brokers, ...options }: MembershipOptions,
  credentials: KafkaCredentials,
  sockets: Sockets,
  revoked: () => Promise<void>,
): kafkajs.Consumer {
  const kafka = createClient({ clientId, brokers, credentials, sockets, retry: RETRY });
  const [first, ...others] = options.balancers.map(assignerOf);
  return kafka.consumer({
    groupId: options.groupId,
    partitionAssigners: [beforeJoining(first!, revoked), ...others],
    sessionTimeout: SESSION_TIMEOUT_MS,
    rebalanceTimeout: REBALANCE_TIMEOUT_MS,
    heartbeatInterval: HEARTBEAT_INTERVAL_MS,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    maxBytesPerPartition: options.partitionBytesMax,
    maxBytes: Math.max(ANSWER_BYTES_MAX, options.partitionBytesMax),
    maxWaitTimeInMs: options.fetchWaitMs,
    allowAutoTopicCreation: false,
    // A new membership reads the credentials again.
    retry: { ...RETRY, restartOnFailure: async () => false },
  });
}

/**
 * kafkajs 2.2.4 reports that it joins again when it has begun to. Each time, it first asks the
 * cluster, which it gives to its assigners, for the group's coordinator.
 */
function beforeJoining(
  assigner: kafkajs.PartitionAssigner,
  run: () => Promise<void>,
): kafkajs.PartitionAssigner {
  return (config) => {
    const { cluster } = config;
    const find = cluster.findGroupCoordinator.bind(cluster);
    cluster.findGroupCoordinator = async (group) => {
      await run();
      return find(group);
    };
    return assigner(config);
  };
}

async function take(
  { batch, heartbeat, resolveOffset }: kafkajs.EachBatchPayload,
  events: MemberEvents,
): Promise<void> {
  const { partition, highWatermark, messages } = batch;
  const end = Number(batch.lastOffset()) + 1;
  await events.fetched(
    { partition, highWatermark: Number(highWatermark), end, messages },
    { heartbeat, resolve: (offset) => resolveOffset(`${offset - 1}`) },
  );
}
