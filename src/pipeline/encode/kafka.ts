import { JsonRecords } from '../../codec/json/records.ts';
import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { kafkaEncoder } from '../../deliver/encoders/kafka.ts';
import { KAFKA_LIMITS, KafkaTarget } from '../../deliver/targets/kafka.ts';
import { brokerOf, readCredentials } from '../../deliver/targets/kafka-files.ts';
import { ACKS } from '../../net/kafka/options.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { KafkaOptions } from '../options/encode/kafka.ts';
import { type StageContext, type StageType, stageType } from '../stage.ts';

/** Name that brokers show in their logs and quotas. */
const CLIENT_ID = 'netobserv-processor';
const BATCH_BYTES = 1024 * 1024;
const BATCH_MESSAGES = 1000;

/** Flows to a topic of Kafka, one in a message. */
export const kafkaEncode: StageType = stageType({
  section: 'encode',
  type: 'kafka',
  schema: KafkaOptions,
  create(options, context) {
    const { clock, log, metrics } = context.deps;
    const limits = {
      messagesMax: options.batchSize === 0 ? BATCH_MESSAGES : options.batchSize,
      bytesMax: options.batchBytes === 0 ? BATCH_BYTES : options.batchBytes,
    };
    const target = new KafkaTarget(
      {
        clientId: CLIENT_ID,
        brokers: brokersOf(options.address, context),
        topic: options.topic,
        acks: ACKS[options.acks],
        compression: options.compression,
        credentials: credentialsOf(options, context),
        limits,
        isAsync: true,
      },
      { clock, report: renewalReport(context.name, { log, counts: metrics }) },
    );
    const records =
      options.format === 'json'
        ? new JsonRecords({ names: context.named })
        : new RecordEncoder('bare');
    return new OutletSink(context, {
      encoder: kafkaEncoder(records, () => target.partitions, limits),
      target,
      limits: KAFKA_LIMITS,
      reads: 'all',
    });
  },
});

function brokersOf(address: string, { path }: StageContext): readonly string[] {
  return address.split(',').map((text) => {
    const found = brokerOf(text.trim());
    if (!('problem' in found)) return found.broker;
    throw configError(PIPELINE_ERRORS.option, `${path}.address`, found.problem);
  });
}

function credentialsOf({ tls, sasl }: KafkaOptions, { path }: StageContext) {
  if (tls !== undefined && (tls.userCertPath === '') !== (tls.userKeyPath === '')) {
    const problem = 'userCertPath and userKeyPath go together';
    throw configError(PIPELINE_ERRORS.option, `${path}.tls`, problem);
  }
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
