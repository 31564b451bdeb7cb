import { BufferPool } from '../../deliver/buffer-pool.ts';
import { pbflowColumns, recordsEncoder } from '../../deliver/encoders/pbflow.ts';
import { GRPC_LIMITS, GRPC_MESSAGE_BYTES_MAX, GrpcTarget } from '../../deliver/targets/grpc.ts';
import type { AgentConfig } from '../config.ts';
import { withoutBlankFlows } from './blank-flows.ts';
import { checkTarget, checkTargetTls, reconnectJitterMs } from './check.ts';
import { type CreateExport, type DeliveryParts, outletOf, rowsOfBatch } from './outlet.ts';

const METHOD = '/pbflow.Collector/Send';
/** A single record may be larger than a message; it is sent although it is likely to be refused. */
const SEND_BYTES_MAX = 64 * 2 ** 20;
/** Concurrent calls: enough to fill a connection with slow answers. */
const IN_FLIGHT_MAX = 4;

/** EXPORT=grpc: `Records` of pbflow. */
export const grpcExport: CreateExport = (config, deps) => {
  const pool = new BufferPool();
  const limits = { flowsMax: config.grpcMessageMaxFlows, bytesMax: GRPC_MESSAGE_BYTES_MAX };
  const call = {
    method: METHOD,
    messageBytesMax: SEND_BYTES_MAX,
    inFlightMax: IN_FLIGHT_MAX,
    recycle: (bytes: Uint8Array) => pool.give(bytes),
  };
  const outlet = outletOf(config, deps, {
    name: 'grpc',
    encoder: withoutBlankFlows(config, recordsEncoder(pool, limits)),
    target: grpcTarget(config, deps, call),
    limits: GRPC_LIMITS,
    rowsOf: rowsOfBatch,
  });
  return { outlet, columns: pbflowColumns(deps.columns) };
};

export interface GrpcCall {
  readonly method: string;
  readonly messageBytesMax: number;
  readonly inFlightMax: number;
  readonly recycle?: (bytes: Uint8Array) => void;
}

/** The collector of TARGET_HOST; throws when its options cannot work. */
export function grpcTarget(config: AgentConfig, deps: DeliveryParts, call: GrpcCall): GrpcTarget {
  checkTarget(config);
  checkTargetTls(config);
  const { clock, random, delivery } = deps;
  const log = deps.log.child({ component: 'grpc' });
  const { recycle, ...called } = call;
  return new GrpcTarget(
    {
      host: config.targetHost,
      port: config.targetPort,
      tls: tlsOf(config),
      ...called,
      attemptTimeoutMs: delivery?.attemptTimeoutMs ?? GRPC_LIMITS.attemptTimeoutMs,
      reconnectMs: config.grpcReconnectTimerMs,
      reconnectJitterMs: reconnectJitterMs(config, log),
    },
    { clock, log, random, ...(recycle === undefined ? {} : { recycle }) },
  );
}

function tlsOf(config: AgentConfig) {
  const { targetTlsCaCertPath, targetTlsUserCertPath, targetTlsUserKeyPath } = config;
  if (targetTlsCaCertPath === '') return undefined;
  return {
    caPath: targetTlsCaCertPath,
    ...(targetTlsUserCertPath === '' ? {} : { certPath: targetTlsUserCertPath }),
    ...(targetTlsUserKeyPath === '' ? {} : { keyPath: targetTlsUserKeyPath }),
  };
}
