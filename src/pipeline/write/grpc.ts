import { systemRandom } from '../../base/clock.ts';
import { JsonRecords } from '../../codec/json/records.ts';
import { genericMapEncoder } from '../../deliver/encoders/generic-map.ts';
import { GRPC_LIMITS, GrpcTarget } from '../../deliver/targets/grpc.ts';
import { clientTlsFiles } from '../client-tls.ts';
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
        tls: clientTlsFiles(tls, context.path),
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
