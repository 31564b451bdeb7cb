import { randomFillSync } from 'node:crypto';
import type { Static, TObject } from 'typebox';
import { systemRandom } from '../../base/clock.ts';
import { refusedEntries } from '../../codec/otlp/answer.ts';
import { LogRecords } from '../../codec/otlp/logs.ts';
import { SpanRecords } from '../../codec/otlp/spans.ts';
import type { RecordSource } from '../../codec/records.ts';
import { DELIVERY_DEFAULTS, type Target } from '../../deliver/delivery.ts';
import { otlpEncoder } from '../../deliver/encoders/otlp.ts';
import { GRPC_MESSAGE_BYTES_MAX, GrpcTarget } from '../../deliver/targets/grpc.ts';
import { HttpTarget } from '../../deliver/targets/http.ts';
import { renewalReport } from '../../telemetry/renewals.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { OtlpLogsOptions } from '../options/encode/otlplogs.ts';
import { OtlpTracesOptions } from '../options/encode/otlptraces.ts';
import type { OTLP_CONNECTION } from '../options/otlp.ts';
import { type Sink, type StageContext, type StageType, stageType } from '../stage.ts';

type Connection = Static<TObject<typeof OTLP_CONNECTION>>;

/** One kind of data: where it goes, and how the sender names itself there. */
interface Signal {
  readonly grpcMethod: string;
  readonly httpPath: string;
  readonly scope: string;
}

const LOGS: Signal = {
  grpcMethod: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  httpPath: '/v1/logs',
  scope: 'flp-otlp-logger',
};

const TRACES: Signal = {
  grpcMethod: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  httpPath: '/v1/traces',
  scope: 'flp-otlp-tracer',
};

/** As flowlogs-pipeline names itself: users' queries contain it. */
const RESOURCE = { 'service.name': 'netobserv-otlp', 'service.version': 'v0.1.0' };

const LIMITS = { messagesMax: 2000, bytesMax: GRPC_MESSAGE_BYTES_MAX };
/** A single record may be larger than a request; it is sent although it is likely to be refused. */
const SEND_BYTES_MAX = 64 * 2 ** 20;
const IN_FLIGHT_MAX = 4;
/** Children of a span. */
const PREFIXES_MAX = 16;

/** RFC 9110, section 5.6.2; gRPC accepts these, too. */
const HEADER_NAME = /^[A-Za-z0-9_.-]+$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;

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
  signal: Signal,
  records: RecordSource,
  connection: Connection,
  context: StageContext,
): Sink {
  check(connection, context);
  return new OutletSink(context, {
    encoder: otlpEncoder(records, { resource: RESOURCE, scope: signal.scope }, LIMITS),
    target:
      connection.connectionType === 'grpc'
        ? grpcTarget(signal, connection, context)
        : httpTarget(signal, connection, context),
    limits: DELIVERY_DEFAULTS,
    reads: 'all',
  });
}

function check({ tls, headers }: Connection, { path }: StageContext): void {
  if (tls !== undefined && (tls.userCertPath === '') !== (tls.userKeyPath === '')) {
    const problem = 'userCertPath and userKeyPath go together';
    throw configError(PIPELINE_ERRORS.option, `${path}.tls`, problem);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (HEADER_NAME.test(name) && HEADER_VALUE.test(value)) continue;
    const problem = 'a header has letters, digits, _, - and . in its name, and ASCII in its value';
    throw configError(PIPELINE_ERRORS.option, `${path}.headers.${name}`, problem);
  }
}

function grpcTarget(
  { grpcMethod }: Signal,
  { address, port, tls, headers }: Connection,
  { name, deps }: StageContext,
): Target {
  const { clock, log, random = systemRandom } = deps;
  return new GrpcTarget(
    {
      ...{ host: address, port, method: grpcMethod, headers },
      ...{ messageBytesMax: SEND_BYTES_MAX, inFlightMax: IN_FLIGHT_MAX },
      attemptTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      ...{ reconnectMs: 0, reconnectJitterMs: 0 },
      tls: tls === undefined ? undefined : filesOf(tls),
      refusedFlows: refusedEntries,
    },
    { clock, log: log.child({ component: 'pipeline', branch: name }), random },
  );
}

function httpTarget(
  { httpPath }: Signal,
  { address, port, tls, headers }: Connection,
  { name, deps }: StageContext,
): Target {
  const host = address.includes(':') ? `[${address}]` : address;
  const fixed = { 'content-type': 'application/x-protobuf', ...headers };
  return new HttpTarget(
    {
      url: `${tls === undefined ? 'http' : 'https'}://${host}:${port}${httpPath}`,
      ...(tls === undefined ? {} : { tls: filesOf(tls) }),
      inFlightMax: IN_FLIGHT_MAX,
      answerTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      isIdempotent: false,
      headers: () => fixed,
      refusedFlows: refusedEntries,
    },
    renewalReport(name, { log: deps.log, counts: deps.metrics }),
  );
}

function filesOf({
  insecureSkipVerify,
  caCertPath,
  userCertPath,
  userKeyPath,
}: NonNullable<Connection['tls']>) {
  return {
    insecureSkipVerify,
    ...(caCertPath === '' ? {} : { caPath: caCertPath }),
    ...(userCertPath === '' ? {} : { certPath: userCertPath, keyPath: userKeyPath }),
  };
}
