import { JsonRecords } from '../../codec/json/records.ts';
import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { kafkaEncoder } from '../../deliver/encoders/kafka.ts';
import { KAFKA_LIMITS, KafkaTarget } from '../../deliver/targets/kafka.ts';
import { ACKS } from '../../net/kafka/options.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { checkedBroker, credentialsOf, KAFKA_CLIENT_ID } from '../kafka.ts';
import { KafkaOptions } from '../options/encode/kafka.ts';
import { type StageType, stageType } from '../stage.ts';

const BATCH_BYTES = 1024 * 1024;
const BATCH_MESSAGES = 1000;

/** Flows to a topic of Kafka, one in a message. */
export const kafkaEncode: StageType = stageType({
  section: 'encode',
  type: 'kafka',
  schema: KafkaOptions,
  create(options, context) {
    const { path } = context;
    const { clock, log, metrics } = context.deps;
    const limits = {
      messagesMax: options.batchSize === 0 ? BATCH_MESSAGES : options.batchSize,
      bytesMax: options.batchBytes === 0 ? BATCH_BYTES : options.batchBytes,
    };
    const target = new KafkaTarget(
      {
        clientId: KAFKA_CLIENT_ID,
        brokers: options.address.split(',').map((text) => checkedBroker(text, `${path}.address`)),
        topic: options.topic,
        acks: ACKS[options.acks],
        compression: options.compression,
        credentials: credentialsOf(options, path),
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
