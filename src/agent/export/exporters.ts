import type { Writable } from 'node:stream';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { ColumnSpec } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { AgentConfig } from '../config.ts';
import type { DeliveryLimits } from './delivery.ts';
import type { Exporter } from './exporter.ts';
import type { SpoolLimits } from './spool.ts';

export interface ExporterDeps {
  readonly log: Log;
  /** With the prefix of the agent's metrics. */
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly tables: TableSpace;
  /** What the agent can fill. */
  readonly columns: readonly ColumnSpec[];
  readonly stdout: Writable;
  /** Where they differ from `DELIVERY_DEFAULTS`. */
  readonly delivery?: Partial<Omit<DeliveryLimits, keyof SpoolLimits>>;
}

type Create = (config: AgentConfig, deps: ExporterDeps) => Exporter;

/** What an exporter serves; the other value asks for a pipeline, which is not made here. */
type Exported = Exclude<AgentConfig['export'], 'direct-flp'>;

/** Exporters by the value of EXPORT; a protocol is loaded when it is asked for. */
const EXPORTERS: Readonly<Record<Exported, () => Promise<Create>>> = {
  grpc: async () => (await import('./grpc.ts')).createGrpcExporter,
  kafka: async () => (await import('./kafka.ts')).createKafkaExporter,
  'ipfix+udp': async () => (await import('./ipfix.ts')).createIpfixExporter,
  'ipfix+tcp': async () => (await import('./ipfix.ts')).createIpfixExporter,
  stdout: async () => (await import('./stdout.ts')).createStdoutExporter,
};

/** The exporter that EXPORT asks for; throws when what it needs is not configured. */
export async function createExporter(config: AgentConfig, deps: ExporterDeps): Promise<Exporter> {
  assert(config.export !== 'direct-flp', 'a pipeline is no exporter');
  const create = await EXPORTERS[config.export]();
  return create(config, deps);
}
