import type { RequestLimits } from '../deliver/encoders/kafka.ts';
import { KafkaTarget } from '../deliver/targets/kafka.ts';
import { brokerOf, readCredentials } from '../deliver/targets/kafka-files.ts';
import { ACKS, type KafkaCredentials } from '../net/kafka/options.ts';
import { renewalReport } from '../telemetry/renewals.ts';
import { checkClientTls } from './client-tls.ts';
import { configError, PIPELINE_ERRORS } from './errors.ts';
import type { KafkaWriting } from './options/encode/kafka.ts';
import type { KafkaLogin } from './options/kafka.ts';
import type { StageContext } from './stage.ts';

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

const REQUEST_BYTES = 1024 * 1024;
const REQUEST_MESSAGES = 1000;

/** The limits of a request. */
export function requestLimits({ batchSize, batchBytes }: KafkaWriting): RequestLimits {
  return {
    messagesMax: batchSize === 0 ? REQUEST_MESSAGES : batchSize,
    bytesMax: batchBytes === 0 ? REQUEST_BYTES : batchBytes,
  };
}

/** The topic that a stage writes to; `path` is that of the options. */
export function kafkaTarget(
  options: KafkaWriting,
  path: string,
  { name, deps: { clock, log, metrics } }: StageContext,
): KafkaTarget {
  return new KafkaTarget(
    {
      clientId: KAFKA_CLIENT_ID,
      brokers: options.address.split(',').map((text) => checkedBroker(text, `${path}.address`)),
      topic: options.topic,
      acks: ACKS[options.acks],
      compression: options.compression,
      credentials: credentialsOf(options, path),
      limits: requestLimits(options),
      isAsync: true,
    },
    { clock, report: renewalReport(name, { log, counts: metrics }) },
  );
}
