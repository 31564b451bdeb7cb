import { RecordEncoder } from '../../codec/pbflow/encoder.ts';
import { fieldByName } from '../../flow/fields.ts';
import { GrpcClient } from '../../net/grpc/client.ts';
import type { AgentConfig } from '../config.ts';
import { BufferPool } from './buffer-pool.ts';
import { checkReconnect, checkTarget, checkTargetTls } from './check.ts';
import { DELIVERY_DEFAULTS, Delivery } from './delivery.ts';
import { EncodingExporter } from './encoding-exporter.ts';
import type { Exporter } from './exporter.ts';
import type { ExporterDeps } from './exporters.ts';
import { amountOf, runsOf } from './messages.ts';
import { declareExportMetrics } from './metrics.ts';
import { batchesOf, SPOOL_BYTES_MAX, type SpoolMessage } from './spool.ts';

const METHOD = '/pbflow.Collector/Send';
/** Servers take 4 MiB unless told otherwise. */
const MESSAGE_BYTES_MAX = 3.5 * 2 ** 20;
/** A single record may be above that; it is not sent when it could not arrive anyway. */
const SEND_BYTES_MAX = 64 * 2 ** 20;
/** Calls at a time: enough to fill a line whose answers take long. */
const IN_FLIGHT_MAX = 4;
/** The server is told a later deadline than ours, so that the books know why a call ended. */
const DEADLINE_MARGIN_MS = 1000;

/** Sends flows to a collector as `Records` of pbflow. */
export function createGrpcExporter(config: AgentConfig, deps: ExporterDeps): Exporter {
  checkTarget(config);
  checkTargetTls(config);
  checkReconnect(config);
  const { clock, random, tables } = deps;
  const limits = { ...DELIVERY_DEFAULTS, ...deps.delivery };
  const log = deps.log.child({ component: 'grpc' });
  const client = new GrpcClient(
    {
      host: config.targetHost,
      port: config.targetPort,
      tls: tlsOf(config),
      method: METHOD,
      callTimeoutMs: limits.attemptTimeoutMs + DEADLINE_MARGIN_MS,
      messageBytesMax: SEND_BYTES_MAX,
      reconnectMs: config.grpcReconnectTimerMs,
      reconnectJitterMs: config.grpcReconnectTimerRandomizationMs,
    },
    { clock, log, random },
  );
  const pool = new BufferPool();
  const delivery = new Delivery<SpoolMessage>(
    { ...limits, batchesMax: batchesOf(config), bytesMax: SPOOL_BYTES_MAX },
    {
      transport: {
        inFlightMax: IN_FLIGHT_MAX,
        async send({ bytes }, signal) {
          await client.call(bytes, signal);
          // Answered, so nothing reads it any more; of a call that failed one cannot know.
          pool.give(bytes);
        },
      },
      clock,
      log,
      random,
      metrics: declareExportMetrics(deps.metrics, 'grpc'),
    },
  );
  const encoder = new RecordEncoder('entries');
  const encoding = {
    encode: (batch) => {
      const count = encoder.encode(batch);
      const { bytes, offsets } = encoder;
      const runs = runsOf(offsets, count, config.grpcMessageMaxFlows, MESSAGE_BYTES_MAX);
      return runs.map((run) => ({
        bytes: pool.copy(bytes, offsets[run.from]!, offsets[run.to]!),
        amount: amountOf(batch, run),
      }));
    },
    open: async () => client.open(),
    close: () => client.close(),
  } satisfies ConstructorParameters<typeof EncodingExporter<SpoolMessage>>[0];
  const columns = deps.columns.filter(({ name }) => fieldByName(name)?.proto !== undefined);
  return new EncodingExporter(encoding, delivery, tables, columns);
}

export function tlsOf(config: AgentConfig) {
  const { targetTlsCaCertPath, targetTlsUserCertPath, targetTlsUserKeyPath } = config;
  if (targetTlsCaCertPath === '') return undefined;
  return {
    caPath: targetTlsCaCertPath,
    ...(targetTlsUserCertPath === '' ? {} : { certPath: targetTlsUserCertPath }),
    ...(targetTlsUserKeyPath === '' ? {} : { keyPath: targetTlsUserKeyPath }),
  };
}
