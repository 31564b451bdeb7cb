import type { Clock } from '../base/clock.ts';
import type { ColumnSpec, FlowBatch } from '../flow/batch.ts';
import type { TableSpace } from '../flow/intern.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/**
 * The contract between the graph and its stages. A stage type is one file that exports one
 * `StageType`, registered in `stages.ts`; the configuration schema, the reference page and the
 * tests' list are derived from that table.
 */

/** What a stage reads: columns by name, or everything that the batch happens to have. */
export type Reads = readonly string[] | 'all';

/** Columns that a stage makes or overwrites. A kind is needed for those it makes. */
export type Writes = readonly ColumnSpec[];

interface StageBase {
  readonly name: string;
  readonly reads: Reads;
}

/**
 * Works in place on a view of the batch: it may set the columns in `writes` and narrow
 * `batch.selection`, nothing else. Runs synchronously and never throws per flow.
 */
export interface Transform extends StageBase {
  readonly kind: 'transform';
  readonly writes: Writes;
  apply(batch: FlowBatch): void;
}

/**
 * Ends a branch. `write` resolves when the rows are where they belong (that is the branch's
 * back-pressure) and rejects with a coded error when they are lost; the graph counts both. The
 * batch is the sink's to read until its promise settles.
 */
export interface Sink extends StageBase {
  readonly kind: 'sink';
  start?(signal: AbortSignal): Promise<void>;
  write(batch: FlowBatch): Promise<void> | void;
  /** Makes everything that was written durable; called between batches and before `stop`. */
  flush?(): Promise<void>;
  stop?(): Promise<void>;
}

export type Stage = Transform | Sink;

/** What stages get from outside. */
export interface StageDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
}

/** Takes a full batch from a source. False: the batch was dropped and counted, not queued. */
export type Emit = (batch: FlowBatch) => boolean;
