import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import type {
  Acks,
  KafkaCredentials,
  KafkaOptions,
  KafkaSasl,
  KafkaTls,
} from '../../net/kafka/producer.ts';
import { readSmallFile } from '../../telemetry/small-file.ts';
import type { AgentConfig } from '../config.ts';
import { refuse } from './check.ts';

/** Name that brokers show in their logs and quotas. */
const CLIENT_ID = 'netobserv-agent';

const ACKS: Readonly<Record<AgentConfig['kafkaAcks'], Acks>> = { all: -1, leader: 1, none: 0 };

const MECHANISMS = { plain: 'plain', scramSHA512: 'scram-sha-512' } as const;

/** Converts the agent's options; throws a coded error that names the variable. */
export function kafkaOptionsOf(config: AgentConfig): KafkaOptions {
  if (config.kafkaBrokers.length === 0) {
    throw refuse('kafkaBrokers', 'not set: host:port of a broker, or of several with commas');
  }
  const brokers = config.kafkaBrokers.map(brokerOf);
  checkPairs(config);
  return {
    clientId: CLIENT_ID,
    brokers,
    topic: config.kafkaTopic,
    acks: ACKS[config.kafkaAcks],
    compression: config.kafkaCompression,
    credentials: () => credentialsOf(config),
  };
}

/** Default port of Kafka, as in the client of netobserv-ebpf-agent. */
const DEFAULT_PORT = 9092;
const PORT_MAX = 65_535;

/** `HOST:PORT` of a broker; the port may be omitted. */
function brokerOf(text: string): string {
  if (isIPv6(text)) return `[${text}]:${DEFAULT_PORT}`;
  const [, host, digits] = /^(\[[^[\]]+\]|[^:[\]\s]+)(?::(\d*))?$/.exec(text) ?? [];
  const isHost = host !== undefined && (host[0] !== '[' || isIPv6(host.slice(1, -1)));
  if (!isHost) {
    throw refuse(
      'kafkaBrokers',
      `"${text}" is not a broker, such as kafka or kafka:${DEFAULT_PORT}`,
    );
  }
  const port = digits === undefined || digits === '' ? DEFAULT_PORT : Number(digits);
  if (port >= 1 && port <= PORT_MAX) return `${host}:${port}`;
  throw refuse('kafkaBrokers', `"${text}" has a port that is not from 1 to ${PORT_MAX}`);
}

/** Checks options that need their other half. */
function checkPairs(config: AgentConfig): void {
  const { kafkaTlsUserCertPath, kafkaTlsUserKeyPath } = config;
  if ((kafkaTlsUserCertPath === '') !== (kafkaTlsUserKeyPath === '')) {
    const missing = kafkaTlsUserCertPath === '' ? 'kafkaTlsUserCertPath' : 'kafkaTlsUserKeyPath';
    throw refuse(missing, 'not set: certificate and key of a client go together');
  }
  if (!config.kafkaEnableSasl) return;
  if (config.kafkaSaslClientIdPath === '') {
    throw refuse('kafkaSaslClientIdPath', 'not set: it is the file with the name to log in with');
  }
  if (config.kafkaSaslClientSecretPath === '') {
    throw refuse('kafkaSaslClientSecretPath', 'not set: it is the file with the password');
  }
}

/** Reads the files again each time: they are renewed while the agent runs. */
async function credentialsOf(config: AgentConfig): Promise<KafkaCredentials> {
  const tls = config.kafkaEnableTls ? await tlsOf(config) : undefined;
  const sasl = config.kafkaEnableSasl ? await saslOf(config) : undefined;
  return {
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
  };
}

async function tlsOf(config: AgentConfig): Promise<KafkaTls> {
  const ca = await pem(config.kafkaTlsCaCertPath);
  const cert = await pem(config.kafkaTlsUserCertPath);
  const key = await pem(config.kafkaTlsUserKeyPath);
  return {
    insecureSkipVerify: config.kafkaTlsInsecureSkipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function pem(path: string): Promise<string | undefined> {
  return path === '' ? undefined : await contents(path);
}

/**
 * `network-observability-operator` mounts secrets at `/` and names them without it, since its
 * agent's image starts there. Other images start elsewhere.
 */
async function contents(path: string): Promise<string> {
  return readSmallFile(existsSync(path) ? path : resolve('/', path)).toString('utf8');
}

async function saslOf(config: AgentConfig): Promise<KafkaSasl> {
  const username = (await contents(config.kafkaSaslClientIdPath)).trim();
  const password = (await contents(config.kafkaSaslClientSecretPath)).trim();
  return { mechanism: MECHANISMS[config.kafkaSaslType], username, password };
}
