import type { Static, TObject } from 'typebox';
import { systemRandom } from '../../../base/clock.ts';
import { refusedEntries } from '../../../codec/otlp/answer.ts';
import { DELIVERY_DEFAULTS, type Target } from '../../../deliver/delivery.ts';
import { GrpcTarget } from '../../../deliver/targets/grpc.ts';
import { HttpTarget } from '../../../deliver/targets/http.ts';
import { renewalReport } from '../../../telemetry/renewals.ts';
import { clientTlsFiles } from '../../client-tls.ts';
import type { OTLP_CONNECTION } from '../../options/otlp.ts';
import { checkHeaders } from '../../request-headers.ts';
import type { StageContext } from '../../stage.ts';

export type OtlpConnection = Static<TObject<typeof OTLP_CONNECTION>>;

/** One kind of data: where it goes, and how the sender names itself there. */
export interface OtlpSignal {
  readonly grpcMethod: string;
  readonly httpPath: string;
  /** Name of the instrumentation scope. */
  readonly scope: string;
}

/** As flowlogs-pipeline names itself: users' queries contain it. */
export const RESOURCE = { 'service.name': 'netobserv-otlp', 'service.version': 'v0.1.0' };

/** A single record may be larger than a request; it is sent although it is likely to be refused. */
const SEND_BYTES_MAX = 64 * 2 ** 20;
const IN_FLIGHT_MAX = 4;

/** The receiver of a stage. Throws when its options cannot work. */
export function otlpTarget(
  signal: OtlpSignal,
  connection: OtlpConnection,
  context: StageContext,
): Target {
  checkHeaders(connection.headers, context.path);
  return connection.connectionType === 'grpc'
    ? grpcTarget(signal, connection, context)
    : httpTarget(signal, connection, context);
}

function grpcTarget(
  { grpcMethod }: OtlpSignal,
  { address, port, tls, headers }: OtlpConnection,
  { name, path, deps }: StageContext,
): Target {
  const { clock, log, random = systemRandom } = deps;
  return new GrpcTarget(
    {
      ...{ host: address, port, method: grpcMethod, headers },
      ...{ messageBytesMax: SEND_BYTES_MAX, inFlightMax: IN_FLIGHT_MAX },
      attemptTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      ...{ reconnectMs: 0, reconnectJitterMs: 0 },
      tls: clientTlsFiles(tls, path),
      refusedFlows: refusedEntries,
    },
    { clock, log: log.child({ component: 'pipeline', branch: name }), random },
  );
}

function httpTarget(
  { httpPath }: OtlpSignal,
  { address, port, tls, headers }: OtlpConnection,
  { name, path, deps }: StageContext,
): Target {
  const files = clientTlsFiles(tls, path);
  const host = address.includes(':') ? `[${address}]` : address;
  const fixed = { 'content-type': 'application/x-protobuf', ...headers };
  return new HttpTarget(
    {
      url: `${files === undefined ? 'http' : 'https'}://${host}:${port}${httpPath}`,
      ...(files === undefined ? {} : { tls: files }),
      inFlightMax: IN_FLIGHT_MAX,
      answerTimeoutMs: DELIVERY_DEFAULTS.attemptTimeoutMs,
      isIdempotent: false,
      headers: () => fixed,
      refusedFlows: refusedEntries,
    },
    renewalReport(name, { log: deps.log, counts: deps.metrics }),
  );
}
