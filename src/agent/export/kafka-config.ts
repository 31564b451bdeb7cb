import { readFile } from 'node:fs/promises';
import { NetobservError } from '../../base/errors.ts';
import type { Acks, KafkaCredentials, KafkaSasl, KafkaTls } from '../../net/kafka/producer.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
import { DELIVERY_DEFAULTS } from './delivery.ts';
import { KAFKA_ATTEMPT_TIMEOUT_MS, type KafkaConfig } from './kafka.ts';
import { SPOOL_BYTES_MAX } from './spool.ts';

/** What brokers show in their logs and quotas. */
const CLIENT_ID = 'netobserv-agent';

const ACKS: Readonly<Record<AgentConfig['kafkaAcks'], Acks>> = { all: -1, leader: 1, none: 0 };

const MECHANISMS = { plain: 'plain', scramSHA512: 'scram-sha-512' } as const;

/** What the agent's options ask for; throws a coded error that names the variable. */
export function kafkaConfigOf(config: AgentConfig): KafkaConfig {
  if (config.kafkaBrokers.length === 0) {
    throw optionError('KAFKA_BROKERS', 'EXPORT=kafka needs it: host:port, or several with commas');
  }
  for (const broker of config.kafkaBrokers) {
    if (!/^.+:\d{1,5}$/.test(broker)) throw optionError('KAFKA_BROKERS', `"${broker}" has no port`);
  }
  checkPairs(config);
  return {
    client: {
      clientId: CLIENT_ID,
      brokers: config.kafkaBrokers,
      topic: config.kafkaTopic,
      acks: ACKS[config.kafkaAcks],
      compression: config.kafkaCompression,
      credentials: () => credentialsOf(config),
    },
    isAsync: config.kafkaAsync,
    request: { messagesMax: config.kafkaBatchMessages, bytesMax: config.kafkaBatchSizeBytes },
    limits: {
      ...DELIVERY_DEFAULTS,
      attemptTimeoutMs: KAFKA_ATTEMPT_TIMEOUT_MS,
      batchesMax: config.exporterBufferLength || config.buffersLength,
      bytesMax: SPOOL_BYTES_MAX,
    },
  };
}

/** What is of no use without its other half. */
function checkPairs(config: AgentConfig): void {
  const hasCert = config.kafkaTlsUserCertPath !== '';
  if (hasCert !== (config.kafkaTlsUserKeyPath !== '')) {
    const [missing, given] = hasCert ? ['KEY', 'CERT'] : ['CERT', 'KEY'];
    throw optionError(`KAFKA_TLS_USER_${missing}_PATH`, `KAFKA_TLS_USER_${given}_PATH needs it`);
  }
  if (!config.kafkaEnableSasl) return;
  if (config.kafkaSaslClientIdPath === '') {
    throw optionError(
      'KAFKA_SASL_CLIENT_ID_PATH',
      'KAFKA_ENABLE_SASL needs it: the file with the name to log in with',
    );
  }
  if (config.kafkaSaslClientSecretPath === '') {
    throw optionError(
      'KAFKA_SASL_CLIENT_SECRET_PATH',
      'KAFKA_ENABLE_SASL needs it: the file with the password',
    );
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
  return path === '' ? undefined : await readFile(path, 'utf8');
}

async function saslOf(config: AgentConfig): Promise<KafkaSasl> {
  const username = (await readFile(config.kafkaSaslClientIdPath, 'utf8')).trim();
  const password = (await readFile(config.kafkaSaslClientSecretPath, 'utf8')).trim();
  return { mechanism: MECHANISMS[config.kafkaSaslType], username, password };
}

function optionError(variable: string, what: string): NetobservError {
  return new NetobservError(AGENT_ERRORS.option, `${variable}: ${what}`, { details: { variable } });
}
