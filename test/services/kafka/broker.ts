import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import kafkajs from 'kafkajs';
import { serverFolder } from '../../../scripts/servers.ts';
import { output } from '../../../scripts/steps.ts';
import { addCodecs } from '../../../src/net/kafka/compression.ts';
import { quietRequestQueue } from '../../../src/net/kafka/quiet-queue.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

export const USER = 'alice';
export const PASSWORD = 'correct horse';

/** A directory identifier of Kafka: 16 bytes in base64url. */
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';

const JAVA = ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

/** A real broker in its own folder, with fixed ports. */
export class Broker implements AsyncDisposable {
  readonly folder: string;
  /** Without encryption. */
  readonly plain: string;
  /** TLS, and a name and password. */
  readonly sasl: string;
  /** TLS, and a client certificate. */
  readonly tls: string;
  /** Port of the first broker's controller. */
  readonly controller: number;
  readonly #classpath = join(serverFolder('kafka'), 'lib', '*');
  #program: Program | undefined;

  private constructor(folder: string, ports: readonly [number, number, number, number]) {
    const [plain, sasl, tls, controller] = ports;
    this.folder = folder;
    this.controller = controller;
    this.plain = `127.0.0.1:${plain}`;
    this.sasl = `localhost:${sasl}`;
    this.tls = `localhost:${tls}`;
  }

  /**
   * With a first one: the second of a cluster, which depends on it. `proxied`: where it listens for
   * clients of a proxy, and the proxy's port, which it names to them.
   */
  static async start(
    first?: Broker,
    proxied?: { readonly port: number; readonly proxyPort: number },
  ): Promise<Broker> {
    const folder = mkdtempSync(join(tmpdir(), 'netobserv-kafka-'));
    const [plain, sasl, tls, own, other] = await Promise.all([
      freePort(),
      freePort(),
      freePort(),
      freePort(),
      freePort(),
    ]);
    const { port, proxyPort } = proxied ?? { port: other, proxyPort: other };
    const controller = first?.controller ?? own;
    const role =
      first === undefined
        ? {
            ROLES: 'broker,controller',
            NODE: 1,
            CONTROLLER_LISTENER: `,CONTROLLER://127.0.0.1:${controller}`,
          }
        : { ROLES: 'broker', NODE: 2, CONTROLLER_LISTENER: '' };
    const values = {
      ...{ FOLDER: folder, USER, PASSWORD },
      ...{ PLAIN: plain, SASL: sasl, TLS: tls, CONTROLLER: controller },
      ...{ PROXIED: port, PROXY: proxyPort },
      ...role,
    };
    const template = readFileSync(join(import.meta.dirname, 'server.properties'), 'utf8');
    const filled = Object.entries(values).reduce(
      (text, [name, value]) => text.replaceAll(`{${name}}`, String(value)),
      template,
    );
    writeFileSync(join(folder, 'server.properties'), filled);
    writeCertificates(folder);
    const broker = new Broker(folder, [plain, sasl, tls, controller]);
    broker.#format();
    await broker.restart();
    return broker;
  }

  /** Starts it again after `kill`, with its stored data. */
  async restart(): Promise<void> {
    const main = ['kafka.Kafka', join(this.folder, 'server.properties')];
    const args = [...JAVA, '-cp', this.#classpath, ...main];
    this.#program = startProgram(args, { command: ['java'] });
    quietRequestQueue();
    const admin = new kafkajs.Kafka({
      brokers: [this.plain],
      logLevel: kafkajs.logLevel.NOTHING,
      retry: { retries: 400, initialRetryTime: 100, maxRetryTime: 200 },
    }).admin();
    // Retries until there is an answer.
    await Promise.race([admin.connect(), this.#program.end().then(() => this.#fail())]);
    await admin.disconnect();
  }

  /** Kills it, at any point of its work. */
  async kill(): Promise<void> {
    await this.#program?.stop('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true });
  }

  #format(): void {
    const user = `SCRAM-SHA-512=[name=${USER},password=${PASSWORD}]`;
    const tool = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID];
    const config = ['-c', join(this.folder, 'server.properties'), '--add-scram', user];
    if (output('java', [...JAVA, '-cp', this.#classpath, ...tool, ...config]) === undefined) {
      throw new Error(`the broker's folder ${this.folder} cannot be formatted`);
    }
  }

  #fail(): never {
    throw new Error(`the broker has ended:\n${this.#program?.output()}`);
  }
}

/** Self-signed certificates of the broker, and of a client that it accepts. */
function writeCertificates(folder: string): void {
  const server = selfSigned();
  writeFileSync(join(folder, 'server.pem'), server.key + server.cert);
  writeFileSync(join(folder, 'ca.pem'), server.cert);
  const client = selfSigned();
  writeFileSync(join(folder, 'clients.pem'), client.cert);
  writeFileSync(join(folder, 'client.pem'), client.cert);
  writeFileSync(join(folder, 'client.key'), client.key);
}

export interface Consumed {
  readonly partition: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

function clientOf({ plain }: Broker): kafkajs.Kafka {
  addCodecs();
  return new kafkajs.Kafka({ brokers: [plain], logLevel: kafkajs.logLevel.NOTHING });
}

/** With `nodes`, a partition on each, without replicas. */
export async function createTopic(
  broker: Broker,
  topic: string,
  nodes?: readonly number[],
): Promise<void> {
  const admin = clientOf(broker).admin();
  await admin.connect();
  const replicaAssignment = nodes?.map((node, partition) => ({ partition, replicas: [node] }));
  const config = { topic, ...(replicaAssignment === undefined ? {} : { replicaAssignment }) };
  await admin.createTopics({ topics: [config], waitForLeaders: true });
  await admin.disconnect();
}

/** Numbers of the brokers that lead a topic's partitions; -1: none. */
export async function leadersOf(broker: Broker, topic: string): Promise<readonly number[]> {
  const admin = clientOf(broker).admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  await admin.disconnect();
  return topics[0]!.partitions
    .toSorted((a, b) => a.partitionId - b.partitionId)
    .map(({ leader }) => leader);
}

/** Number of records that a topic holds. */
export async function countRecords(broker: Broker, topic: string): Promise<number> {
  const admin = clientOf(broker).admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  return offsets.reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0);
}

/** Records that a group has not acknowledged, by partition; a partition without an offset: all. */
export async function unacknowledged(
  broker: Broker,
  topic: string,
  groupId: string,
): Promise<readonly number[]> {
  const admin = clientOf(broker).admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets(topic);
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
  await admin.disconnect();
  const offsets = new Map(committed!.partitions.map((own) => [own.partition, Number(own.offset)]));
  return ends.map(({ partition, high }) => Number(high) - Math.max(0, offsets.get(partition) ?? 0));
}

/** Brokers take a megabyte. */
const REQUEST_RECORDS = 5000;

/** Appends values to a topic, dealt out to its partitions. */
export async function produce(
  broker: Broker,
  topic: string,
  values: readonly (Buffer | string | null)[],
): Promise<void> {
  const producer = clientOf(broker).producer();
  await producer.connect();
  for (let from = 0; from < values.length; from += REQUEST_RECORDS) {
    const messages = values.slice(from, from + REQUEST_RECORDS).map((value) => ({ value }));
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
}

/** All records of a topic at the time of the call. */
export async function consumeAll(broker: Broker, topic: string): Promise<readonly Consumed[]> {
  const total = await countRecords(broker, topic);
  const consumed: Consumed[] = [];
  if (total === 0) return consumed;
  const consumer = clientOf(broker).consumer({ groupId: `test-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => {
      // A new broker still loads its groups, and kafkajs retries.
      if (!payload.restart) reject(payload.error);
    });
    void consumer.run({
      eachMessage: async ({ partition, message }) => {
        consumed.push({ partition, key: message.key!, value: message.value! });
        if (consumed.length === total) resolve();
      },
    });
  });
  await consumer.disconnect();
  return consumed;
}
