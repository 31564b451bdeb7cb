import type { Static, TSchema } from 'typebox';
import type { Clock } from '../base/clock.ts';
import type { ColumnSpec, FlowBatch } from '../flow/batch.ts';
import type { FieldKind } from '../flow/field.ts';
import type { TableSpace } from '../flow/intern.ts';
import type { FlowStore } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/**
 * The contract between the graph and its stages. A stage type is one file that exports one
 * `StageType`, registered in `stages.ts`; the configuration schema, the reference page and the
 * tests' list are derived from that table.
 */

/** What a stage reads: columns by name, or everything that the batch happens to have. */
export type Reads = readonly string[] | 'all';

/**
 * Columns that a stage makes or overwrites. A kind is needed for those it makes. An entry with a
 * `form` only states the form: the values stay as they are.
 */
export type Writes = readonly ColumnSpec[];

interface StageBase {
  readonly name: string;
  /**
   * A column that nobody provides is left out of the batch, so a stage asks `batch.has` before it
   * reads. Whoever keeps the old value of a row that it does not set reads what it writes.
   */
  readonly reads: Reads;
}

/**
 * Works in place on a view of the batch: it may set the columns in `writes` (of any row, selected
 * or not: nobody sees the others) and narrow `batch.selection`, nothing else. Runs synchronously
 * and never throws per flow.
 *
 * The compiler drops a transform whose writes nobody reads, unless it `filters`. Columns in
 * `removes` do not exist for the stages after it.
 */
export interface Transform extends StageBase {
  readonly kind: 'transform';
  readonly writes: Writes;
  readonly filters?: boolean;
  readonly removes?: readonly string[];
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
  /**
   * What became of the rows of all writes so far, for a sink that writes behind: the graph counts
   * rows by this and not by whether `write` resolved. Both sums only grow. The sink is the only one
   * to write to what it counts.
   */
  outcome?(): { readonly durable: number; readonly lost: number };
  stop?(): Promise<void>;
}

/** What stages get from outside. */
export interface StageDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
  /** Stores by the name that a `write: store` stage gives. */
  readonly stores?: Readonly<Record<string, FlowStore>>;
  /** Text of a small file, undefined when it is not there. Default: the file system. */
  readonly readText?: (path: string) => string | undefined;
  /** Where `write: stdout` goes. Resolves when more can be taken. Default: standard output. */
  readonly output?: (bytes: Uint8Array) => Promise<void>;
}

/** What a stage knows while it is being made from its options. */
export interface StageContext {
  readonly name: string;
  /** Where its options stand in the configuration: `parameters[2].transform.network`. */
  readonly path: string;
  readonly deps: StageDeps;
  /** Kind of a column that may exist here, undefined for a name that nobody fills. */
  kindOf(field: string): FieldKind | undefined;
  /** Kind of a column of this name wherever it exists: the field table's or an earlier stage's. */
  declaredKind(field: string): FieldKind | undefined;
  /** Fields here whose numbers text sinks write by their names: `form: 'names'` in `ColumnSpec`. */
  readonly named: ReadonlySet<string>;
}

export type Section = 'ingest' | 'transform' | 'extract' | 'encode' | 'write';

/** One row of the registry. `create` gets options that were parsed by `schema`. */
export interface StageType {
  readonly section: Section;
  readonly type: string;
  /** Options object, found under the key that is the type's name. */
  readonly schema: TSchema;
  create(options: unknown, context: StageContext): readonly Transform[] | Sink;
}

/** Ties the type of the options to their schema. */
export function stageType<Schema extends TSchema>(spec: {
  readonly section: Section;
  readonly type: string;
  readonly schema: Schema;
  create(options: Static<Schema>, context: StageContext): readonly Transform[] | Sink;
}): StageType {
  // The graph parses options by `schema` before it calls `create`.
  return { ...spec, create: (options, context) => spec.create(options as Static<Schema>, context) };
}
