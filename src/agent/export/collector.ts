import { assert } from '../../base/assert.ts';
import type { GrpcClient } from '../../net/grpc/client.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentConfig } from '../config.ts';
import { checkTarget, checkTargetTls, reconnectJitterMs } from './check.ts';
import { DELIVERY_DEFAULTS, type DeliveryLimits } from './delivery.ts';
import type { ExporterDeps } from './exporters.ts';
import { batchesOf, SPOOL_BYTES_MAX } from './spool.ts';

/**
 * A collector may take its time: it is frozen for a while, or lets its senders wait when it has
 * enough. Whether it is there at all, the connection tells. These only bound what waits for one
 * that is there and never answers, and the age of what is kept for one that is not.
 */
const ANSWER_TIMEOUT_MS = 600_000;
const DEADLINE_MS = 900_000;

/** The server is told a later deadline than ours, so that the books know why a call ended. */
const DEADLINE_MARGIN_MS = 1000;

/** Servers take 4 MiB unless told otherwise. */
export const MESSAGE_BYTES_MAX = 3.5 * 2 ** 20;

export interface Collector {
  readonly limits: DeliveryLimits;
  readonly log: Log;
  /** Reads the certificates; throws when they cannot be used. Connects in the background. */
  open(): Promise<void>;
  /** Resolves when the collector has answered; the signal takes the call back. */
  call(message: Uint8Array, signal: AbortSignal): Promise<void>;
  /** Calls that are under way fail. */
  close(): Promise<void>;
}

/** The collector of TARGET_HOST; throws when what says where and how it is cannot work. */
export function collectorOf(
  config: AgentConfig,
  deps: Pick<ExporterDeps, 'clock' | 'random' | 'log' | 'delivery'>,
  call: { readonly method: string; readonly messageBytesMax: number },
): Collector {
  checkTarget(config);
  checkTargetTls(config);
  const { clock, random } = deps;
  const log = deps.log.child({ component: 'grpc' });
  const limits = {
    ...DELIVERY_DEFAULTS,
    attemptTimeoutMs: ANSWER_TIMEOUT_MS,
    deadlineMs: DEADLINE_MS,
    ...deps.delivery,
    batchesMax: batchesOf(config),
    bytesMax: SPOOL_BYTES_MAX,
  };
  const target = {
    host: config.targetHost,
    port: config.targetPort,
    tls: tlsOf(config),
    ...call,
    callTimeoutMs: limits.attemptTimeoutMs + DEADLINE_MARGIN_MS,
    reconnectMs: config.grpcReconnectTimerMs,
    reconnectJitterMs: reconnectJitterMs(config, log),
  };
  let client: GrpcClient | undefined;
  return {
    limits,
    log,
    async open() {
      // Not before: the library takes longer to load than hooks take to be attached.
      const grpc = await import('../../net/grpc/client.ts');
      client = new grpc.GrpcClient(target, { clock, log, random });
      client.open();
    },
    call(message, signal) {
      assert(client !== undefined, 'the collector is not open');
      return client.call(message, signal);
    },
    close: async () => client?.close(),
  };
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
