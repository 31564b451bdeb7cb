import { JsonRecords } from '../../codec/json/records.ts';
import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { kafkaEncoder } from '../../deliver/encoders/kafka.ts';
import { KAFKA_LIMITS } from '../../deliver/targets/kafka.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { kafkaTarget, requestLimits } from '../kafka.ts';
import { KafkaOptions } from '../options/encode/kafka.ts';
import { type StageType, stageType } from '../stage.ts';

/** Flows to a topic of Kafka, one in a message. */
export const kafkaEncode: StageType = stageType({
  section: 'encode',
  type: 'kafka',
  schema: KafkaOptions,
  create(options, context) {
    const target = kafkaTarget(options, context.path, context);
    const records =
      options.format === 'json'
        ? new JsonRecords({ names: context.named })
        : new RecordEncoder('bare');
    return new OutletSink(context, {
      encoder: kafkaEncoder(records, () => target.partitions, requestLimits(options)),
      target,
      limits: KAFKA_LIMITS,
      reads: 'all',
    });
  },
});
