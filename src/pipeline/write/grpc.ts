import { systemRandom } from '../../base/clock.ts';
import { genericMapEncoder } from '../../deliver/encoders/generic-map.ts';
import { JsonRecords } from '../../deliver/encoders/json-records.ts';
import { GRPC_LIMITS, GrpcTarget } from '../../deliver/targets/grpc.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { OutletSink } from '../graph/outlet-sink.ts';
import { GrpcWriteOptions } from '../options/write/grpc.ts';
import { type StageType, stageType } from '../stage.ts';

const METHOD = '/genericmap.Collector/Send';
/** A larger flow is sent although it is likely to be refused. */
const MESSAGE_BYTES_MAX = 64 * 2 ** 20;
/** Calls at the same time: each has one flow, and waits for its answer. */
const IN_FLIGHT_MAX = 32;

/** Flows to a collector of `network-observability-cli`, one in a call. */
export const grpcWrite: StageType = stageType({
  section: 'write',
  type: 'grpc',
  schema: GrpcWriteOptions,
  create({ targetHost, targetPort, tls }, context) {
    const { clock, log, random = systemRandom } = context.deps;
    const target = new GrpcTarget(
      {
        host: targetHost,
        port: targetPort,
        tls: tls === undefined ? undefined : tlsFilesOf(tls, context.path),
        method: METHOD,
        messageBytesMax: MESSAGE_BYTES_MAX,
        inFlightMax: IN_FLIGHT_MAX,
        attemptTimeoutMs: GRPC_LIMITS.attemptTimeoutMs,
        reconnectMs: 0,
        reconnectJitterMs: 0,
      },
      { clock, random, log: log.child({ component: 'pipeline', branch: context.name }) },
    );
    return new OutletSink(context, {
      encoder: genericMapEncoder(new JsonRecords({ names: context.named })),
      target,
      limits: GRPC_LIMITS,
      reads: 'all',
    });
  },
});

function tlsFilesOf(tls: NonNullable<GrpcWriteOptions['tls']>, path: string) {
  const { caCertPath, userCertPath, userKeyPath } = tls;
  if ((userCertPath === '') !== (userKeyPath === '')) {
    const problem = 'userCertPath and userKeyPath go together';
    throw configError(PIPELINE_ERRORS.option, `${path}.tls`, problem);
  }
  const own = userCertPath === '' ? {} : { certPath: userCertPath, keyPath: userKeyPath };
  return { caPath: caCertPath, ...own };
}
