import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { NetobservError } from '../../base/errors.ts';
import type { ColumnSpec } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { AgentConfig } from '../config.ts';
import { AGENT_ERRORS } from '../errors.ts';
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

/** Exporters by the value of EXPORT; a protocol is loaded when it is asked for. */
const EXPORTERS: Readonly<Partial<Record<AgentConfig['export'], () => Promise<Create>>>> = {
  grpc: async () => (await import('./grpc.ts')).createGrpcExporter,
  stdout: async () => (await import('./stdout.ts')).createStdoutExporter,
};

/** The exporter that EXPORT asks for; throws when what it needs is not configured. */
export async function createExporter(config: AgentConfig, deps: ExporterDeps): Promise<Exporter> {
  const load = EXPORTERS[config.export];
  if (load === undefined) {
    const known = Object.keys(EXPORTERS).join(', ');
    throw new NetobservError(
      AGENT_ERRORS.unsupported,
      `EXPORT=${config.export} is not supported yet: ${known} are`,
      { details: { variable: 'EXPORT' } },
    );
  }
  const create = await load();
  return create(config, deps);
}
