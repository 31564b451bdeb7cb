import { randomFillSync } from 'node:crypto';
import { LogRecords } from '../../../codec/otlp/logs.ts';
import { SpanRecords } from '../../../codec/otlp/spans.ts';
import type { RecordSource } from '../../../codec/records.ts';
import { DELIVERY_DEFAULTS } from '../../../deliver/delivery.ts';
import { otlpEncoder } from '../../../deliver/encoders/otlp.ts';
import { GRPC_MESSAGE_BYTES_MAX } from '../../../deliver/targets/grpc.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import { OutletSink } from '../../graph/outlet-sink.ts';
import { OtlpLogsOptions } from '../../options/encode/otlplogs.ts';
import { OtlpTracesOptions } from '../../options/encode/otlptraces.ts';
import { type Sink, type StageContext, type StageType, stageType } from '../../stage.ts';
import { type OtlpConnection, type OtlpSignal, otlpTarget, RESOURCE } from './target.ts';

const LOGS: OtlpSignal = {
  grpcMethod: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  httpPath: '/v1/logs',
  scope: 'flp-otlp-logger',
};

const TRACES: OtlpSignal = {
  grpcMethod: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  httpPath: '/v1/traces',
  scope: 'flp-otlp-tracer',
};

const LIMITS = { messagesMax: 2000, bytesMax: GRPC_MESSAGE_BYTES_MAX };
/** Children of a span. */
const PREFIXES_MAX = 16;

/** Flows as log records of OpenTelemetry. */
export const otlpLogsEncode: StageType = stageType({
  section: 'encode',
  type: 'otlplogs',
  schema: OtlpLogsOptions,
  create: (options, context) => {
    const { clock } = context.deps;
    const records = new LogRecords({ names: context.named }, () => clock.nowMs());
    return otlpSink(LOGS, records, options, context);
  },
});

/** Flows as traces of OpenTelemetry. */
export const otlpTracesEncode: StageType = stageType({
  section: 'encode',
  type: 'otlptraces',
  schema: OtlpTracesOptions,
  create: (options, context) => {
    const { clock } = context.deps;
    if (options.spanSplitter.length > PREFIXES_MAX) {
      const problem = `${options.spanSplitter.length} prefixes; there may be ${PREFIXES_MAX}`;
      throw configError(PIPELINE_ERRORS.option, `${context.path}.spanSplitter`, problem);
    }
    const records = new SpanRecords(
      { names: context.named, prefixes: options.spanSplitter },
      { nowMs: () => clock.nowMs(), draw: (into) => void randomFillSync(into) },
    );
    return otlpSink(TRACES, records, options, context);
  },
});

function otlpSink(
  signal: OtlpSignal,
  records: RecordSource,
  connection: OtlpConnection,
  context: StageContext,
): Sink {
  return new OutletSink(context, {
    encoder: otlpEncoder(records, { resource: RESOURCE, scope: signal.scope }, LIMITS),
    target: otlpTarget(signal, connection, context),
    limits: DELIVERY_DEFAULTS,
    reads: 'all',
  });
}
