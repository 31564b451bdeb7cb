import type { Readable, Writable } from 'node:stream';
import type { Static, TSchema } from 'typebox';
import type { Clock } from '../base/clock.ts';
import type { Settlement } from '../deliver/message.ts';
import type { ColumnSpec, FlowBatch } from '../flow/batch.ts';
import type { FieldKind } from '../flow/field.ts';
import type { TableSpace } from '../flow/intern.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { FlowStore } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Inlet } from './graph/inlet.ts';

/**
 * The contract between the graph and its stages. A stage type is one file that exports one
 * `StageType`, registered in `stages.ts`; the configuration schema, the reference page and the
 * tests' list are derived from that table.
 */

/** Columns that a stage reads: by name, or all columns of the batch. */
export type Reads = readonly string[] | 'all';

/**
 * Columns that a stage makes or overwrites. New columns need a kind. An entry with a `form` only
 * declares the form: the values do not change.
 */
export type Writes = readonly ColumnSpec[];

interface StageBase {
  readonly name: string;
  /**
   * A column that nothing fills is left out of the batch, so a stage checks `batch.has` before it
   * reads. A stage that keeps the old values of rows that it does not set reads the columns it
   * writes.
   */
  readonly reads: Reads;
}

/**
 * Works in place on a view of the batch: it may set the columns in `writes` (in any row, selected
 * or not: nothing reads the others) and narrow `batch.selection`, nothing else. It runs
 * synchronously and never throws per flow.
 *
 * The compiler drops a transform whose writes nothing reads, unless it `filters` or removes
 * columns.
 */
export interface Transform extends StageBase {
  readonly kind: 'transform';
  readonly writes: Writes;
  readonly filters?: boolean;
  /** Columns that do not exist for the stages after it: the graph clears them after `apply`. */
  readonly removes?: readonly string[];
  /** The only columns that exist for the stages after it: the graph clears all others. */
  readonly keeps?: ReadonlySet<string>;
  apply(batch: FlowBatch): void;
  /** Reads what `apply` needs, such as a large file. Called once, before any flow. */
  start?(): Promise<void>;
}

/** The rows of one batch at one sink. */
export interface Lease extends Settlement {
  /** Keeps the batch's columns as they are until `release`, after `offer` has returned. */
  hold(): void;
  release(): void;
}

/**
 * Ends a branch. `offer` takes the selected rows of a batch and never waits; false: there is no
 * room. The lease settles each row that was taken once, immediately or later: it arrived, or it is
 * lost for a reason. The graph counts both, and a source acknowledges by them.
 */
export interface Sink extends StageBase {
  readonly kind: 'sink';
  start?(signal: AbortSignal): Promise<void>;
  /**
   * Called after `start`, between two batches, on a sink that replaces `StageContext.earlier`: from
   * now on rows come here. The earlier sink is drained and stopped afterwards.
   */
  takeOver?(): void;
  offer(batch: FlowBatch, lease: Lease): boolean;
  /** Resolves when `offer` has room again. Undefined: it has room now. */
  whenRoom?(): Promise<void> | undefined;
  /** Resolves when the rows taken so far are settled, or cannot be settled any more. */
  drain?(): Promise<void>;
  /** Settles rows whose outcome is known. Called before the accounting is read. */
  settle?(): void;
  /** Its bounds, for display: `queue 524288 rows / 96 MiB`. */
  readonly bounds?: string;
  /** Releases everything; rows that are not settled by then are lost. */
  stop?(): Promise<void>;
}

/**
 * Fills batches and hands them to its inlet. A source that can wait calls `inlet.whenReady()`
 * before it reads on, and acknowledges its input when `emit` reports the batch settled. The
 * inlet's columns may change between two batches, when the pipeline is reloaded: a source that
 * prepares itself for a layout looks whether `inlet.layout` is still the same.
 */
export interface Source {
  readonly kind: 'source';
  readonly name: string;
  /** Columns that it can fill; it fills those in `inlet.decoded`. */
  readonly columns: readonly ColumnSpec[];
  /**
   * Its flows may have other keys, too. A key that a stage names becomes a column of the kind
   * `any`; the others go to the column `EXTRAS` if a stage reads everything.
   */
  readonly isOpen?: boolean;
  /** Run on its batches, before the stages after it, as if they were a stage of their own. */
  readonly transforms?: readonly Transform[];
  /** Its messages may be small: they wait this long for others, milliseconds. */
  readonly coalesceMs?: number;
  /**
   * Resolves when the input is at its end and all of it has been emitted; rejects when it cannot be
   * read any more. A source without it never ends.
   */
  readonly ended?: Promise<void>;
  start(inlet: Inlet, signal: AbortSignal): Promise<void>;
  /** Why it reads nothing at the moment, for `/ready`. Undefined: it reads, or it could. */
  trouble?(): string | undefined;
  /** Resolves when all input that was read has been emitted; nothing is emitted afterwards. */
  stop(): Promise<void>;
  /**
   * Called after `stop`, when its flows are settled or the time is over: it acknowledges its input
   * as far as that is settled, and releases everything.
   */
  close?(): Promise<void>;
}

/**
 * Turns flows into other flows: it keeps state, and emits batches of its own columns, immediately
 * or later. Taking rows settles them.
 */
export interface Extractor extends StageBase {
  readonly kind: 'extractor';
  /** Columns of the flows that it emits. */
  readonly columns: readonly ColumnSpec[];
  /**
   * It also emits the flows that it takes. Their columns exist behind it, and are filled if a later
   * stage reads them.
   */
  readonly echoes?: boolean;
  /** Takes the selected rows; it keeps nothing of the batch. Never throws per flow. */
  push(batch: FlowBatch, inlet: Inlet): void;
  /** Time between calls of `tick`, milliseconds. */
  readonly tickMs?: number;
  tick?(inlet: Inlet): void;
  /** Emits the remaining flows, at the end. */
  flush?(inlet: Inlet): void;
}

/**
 * Result of a stage type. `ingest: preset` makes nothing: its batches come from `Pipeline.emit`.
 */
export type Made = readonly Transform[] | Source | Extractor | Sink;

export interface QueueLimits {
  readonly rows: number;
  /** Bytes of the columns in the queue. */
  readonly bytes: number;
}

/** External dependencies of stages. */
export interface StageDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly tables: TableSpace;
  /** Stores by the name that a `write: store` stage gives. */
  readonly stores?: Readonly<Record<string, FlowStore>>;
  /** Text of a small file, undefined when it is not there. Default: the file system. */
  readonly readText?: (path: string) => string | undefined;
  /** The stream of `write: stdout`. Default: standard output. */
  readonly stdout?: Writable;
  /** The stream of `ingest: stdin`. Default: standard input. */
  readonly stdin?: Readable;
  /** A number from 0 to 1. Default: the system's. */
  readonly random?: () => number;
  /** The database of countries that the program brings along, in MaxMind's format. */
  readonly countries?: () => Uint8Array;
  /** The environment, for the places of kubeconfig files. Default: empty. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The cluster that flows are named after, made when a stage asks for it. Default: by `env`. */
  readonly cluster?: () => Cluster;
  /** Bounds of the queue before a sink that takes whole batches, `QUEUE_LIMITS` by default. */
  readonly queue?: Partial<QueueLimits>;
}

/** Information for a stage that is being made from its options. */
export interface StageContext {
  readonly name: string;
  /** Path of its options in the configuration: `parameters[2].transform.network`. */
  readonly path: string;
  readonly deps: StageDeps;
  /** Kind of a column that may exist here, undefined for a name that nothing fills. */
  kindOf(field: string): FieldKind | undefined;
  /** Kind of any column of this name: from the field table or an earlier stage. */
  declaredKind(field: string): FieldKind | undefined;
  /** Fields here whose numbers text sinks write by their names: `form: 'names'` in `ColumnSpec`. */
  readonly named: ReadonlySet<string>;
  readonly counts: StageCounts;
  /**
   * In a pipeline that is reloaded: the running sink of this name and type, which this one would
   * replace. It goes on until then, and beyond if the new configuration turns out to be wrong.
   * Undefined after `create`.
   */
  readonly earlier: Sink | undefined;
}

/** Counters of one stage. */
export interface StageCounts {
  /** Flows that a source has read. */
  ingested(flows: number): void;
  /** Input that is not a flow; `code` is that of an error. */
  ingestError(type: string, code: string): void;
  /** Messages that a source has not read of a partition; undefined: the partition is another's. */
  lag(partition: number, messages: number | undefined): void;
  /** Values that do not fit the kind of the field that the stage gives them to. */
  unconverted(field: string, values: number): void;
}

export type Section = 'ingest' | 'transform' | 'extract' | 'encode' | 'write';

/** One row of the registry. `create` gets options that were parsed by `schema`. */
export interface StageType {
  readonly section: Section;
  readonly type: string;
  /** Options object, found under the key that is the type's name. */
  readonly schema: TSchema;
  /** A source that has no flows for other stages: none can follow it. */
  readonly isAlone?: boolean;
  create(options: unknown, context: StageContext): Made;
}

/** Ties the type of the options to their schema. */
export function stageType<Schema extends TSchema>(spec: {
  readonly section: Section;
  readonly type: string;
  readonly schema: Schema;
  readonly isAlone?: boolean;
  create(options: Static<Schema>, context: StageContext): Made;
}): StageType {
  // The graph parses options by `schema` before it calls `create`.
  return { ...spec, create: (options, context) => spec.create(options as Static<Schema>, context) };
}
