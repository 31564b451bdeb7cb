import { brokerOf, readCredentials } from '../../deliver/targets/kafka-files.ts';
import { ACKS, type KafkaOptions } from '../../net/kafka/options.ts';
import type { AgentConfig } from '../config.ts';
import { refuse } from './check.ts';

/** Name that brokers show in their logs and quotas. */
const CLIENT_ID = 'netobserv-agent';

/** Converts the agent's options; throws a coded error that names the variable. */
export function kafkaOptionsOf(config: AgentConfig): KafkaOptions {
  if (config.kafkaBrokers.length === 0) {
    throw refuse('kafkaBrokers', 'not set: host:port of a broker, or of several with commas');
  }
  const brokers = config.kafkaBrokers.map((text) => {
    const found = brokerOf(text);
    if ('problem' in found) throw refuse('kafkaBrokers', found.problem);
    return found.broker;
  });
  checkPairs(config);
  const tls = {
    insecureSkipVerify: config.kafkaTlsInsecureSkipVerify,
    caCertPath: config.kafkaTlsCaCertPath,
    userCertPath: config.kafkaTlsUserCertPath,
    userKeyPath: config.kafkaTlsUserKeyPath,
  };
  const sasl = {
    type: config.kafkaSaslType,
    clientIdPath: config.kafkaSaslClientIdPath,
    clientSecretPath: config.kafkaSaslClientSecretPath,
  };
  return {
    clientId: CLIENT_ID,
    brokers,
    topic: config.kafkaTopic,
    acks: ACKS[config.kafkaAcks],
    compression: config.kafkaCompression,
    credentials: () =>
      readCredentials(
        config.kafkaEnableTls ? tls : undefined,
        config.kafkaEnableSasl ? sasl : undefined,
      ),
  };
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
