import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { kafkaEncoder } from '../../deliver/encoders/kafka.ts';
import { pbflowColumns } from '../../deliver/encoders/pbflow.ts';
import { KAFKA_LIMITS, KafkaTarget } from '../../deliver/targets/kafka.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { withoutBlankFlows } from './blank-flows.ts';
import { kafkaOptionsOf } from './kafka-config.ts';
import { type CreateExport, outletOf, rowsOfBatch } from './outlet.ts';

/** EXPORT=kafka: one `pbflow.Record` per message of the topic. */
export const kafkaExport: CreateExport = (config, deps) => {
  const { clock, metrics } = deps;
  const log = deps.log.child({ component: 'kafka' });
  const limits = { messagesMax: config.kafkaBatchMessages, bytesMax: config.kafkaBatchSizeBytes };
  const target = new KafkaTarget(
    { ...kafkaOptionsOf(config), limits, isAsync: config.kafkaAsync },
    { clock, report: renewalReport('kafka', { log, counts: metrics }) },
  );
  const encoder = kafkaEncoder(new RecordEncoder('bare'), () => target.partitions, limits);
  const outlet = outletOf(config, deps, {
    name: 'kafka',
    encoder: withoutBlankFlows(config, encoder),
    target,
    limits: KAFKA_LIMITS,
    rowsOf: rowsOfBatch,
  });
  return { outlet, columns: pbflowColumns(deps.columns) };
};
