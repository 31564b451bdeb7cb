import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { Delivery, type DeliveryLimits, type Target } from '../../deliver/delivery.ts';
import type { Message } from '../../deliver/message.ts';
import { type Encoder, Outlet } from '../../deliver/outlet.ts';
import { SPOOL_BYTES_MAX, type SpoolLimits } from '../../deliver/spool.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { AgentConfig } from '../config.ts';
import { createExportMetrics } from './metrics.ts';

/** Limits of a delivery that do not depend on the agent's buffer options. */
type TimeLimits = Omit<DeliveryLimits, keyof SpoolLimits>;

export interface DeliveryParts {
  readonly log: Log;
  /** With the prefix of the agent's metrics. */
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly stdout: Writable;
  /** Overrides of the target's own limits. */
  readonly delivery?: Partial<TimeLimits>;
}

export interface ExporterDeps extends DeliveryParts {
  readonly tables: TableSpace;
  /** Columns that the agent can fill. */
  readonly columns: readonly ColumnSpec[];
}

/** An outlet of flows, for any type of message. */
export type FlowOutlet = Pick<
  Outlet<FlowBatch>,
  'start' | 'stop' | 'offer' | 'readiness' | 'backlog' | 'lostAtEnd'
>;

/** Encoder and target of a value of EXPORT, and the columns that they send. */
export interface Export {
  readonly outlet: FlowOutlet;
  readonly columns: readonly ColumnSpec[];
}

/** Throws when a required option is missing. */
export type CreateExport = (config: AgentConfig, deps: ExporterDeps) => Export;

/** The target of messages, and the time limits. */
export interface DeliveryOptions<M extends Message> {
  /** Name in metrics and in the log: `grpc`, `kafka` … */
  readonly name: string;
  readonly target: Target<M>;
  readonly limits: TimeLimits;
}

/** A delivery with the spool size of the agent's options. */
export function deliveryOf<M extends Message>(
  config: Pick<AgentConfig, 'buffersLength' | 'exporterBufferLength'>,
  { clock, random, log, metrics, delivery }: DeliveryParts,
  { name, target, limits }: DeliveryOptions<M>,
): Delivery<M> {
  const { buffersLength, exporterBufferLength } = config;
  const batchesMax = exporterBufferLength === 0 ? buffersLength : exporterBufferLength;
  const deps = {
    target,
    clock,
    random,
    log: log.child({ component: name }),
    metrics: createExportMetrics(metrics, name),
  };
  return new Delivery({ ...limits, ...delivery, batchesMax, bytesMax: SPOOL_BYTES_MAX }, deps);
}

/** The same with the encoder of its batches. */
export function outletOf<Batch, M extends Message>(
  config: Pick<AgentConfig, 'buffersLength' | 'exporterBufferLength'>,
  parts: DeliveryParts,
  options: DeliveryOptions<M> & {
    readonly encoder: Encoder<Batch, M>;
    readonly rowsOf: (batch: Batch) => number;
  },
): Outlet<Batch, M> {
  return new Outlet(options.encoder, deliveryOf(config, parts, options), options.rowsOf);
}

export const rowsOfBatch = ({ selected }: FlowBatch): number => selected;
