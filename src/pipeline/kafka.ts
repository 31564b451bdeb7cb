import { brokerOf, readCredentials } from '../deliver/targets/kafka-files.ts';
import type { KafkaCredentials } from '../net/kafka/options.ts';
import { checkClientTls } from './client-tls.ts';
import { configError, PIPELINE_ERRORS } from './errors.ts';
import type { KafkaLogin } from './options/kafka.ts';

/** Name that brokers show in their logs and quotas. */
export const KAFKA_CLIENT_ID = 'netobserv-processor';

/** `HOST:PORT` of a broker; `path` is the option's. */
export function checkedBroker(text: string, path: string): string {
  const found = brokerOf(text.trim());
  if (!('problem' in found)) return found.broker;
  throw configError(PIPELINE_ERRORS.option, path, found.problem);
}

/** Reads the credentials that a stage's options name; `path` is the options'. */
export function credentialsOf(
  { tls, sasl }: KafkaLogin,
  path: string,
): () => Promise<KafkaCredentials> {
  checkClientTls(tls, path);
  const login =
    sasl === undefined
      ? undefined
      : {
          type: sasl.type,
          clientIdPath: sasl.clientIDPath,
          clientSecretPath: sasl.clientSecretPath,
        };
  return () => readCredentials(tls, login);
}
