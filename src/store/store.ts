import type { Component } from '../base/component.ts';
import type { FlowBatch } from '../flow/batch.ts';
import type {
  MetricQuery,
  MetricResult,
  RecordQuery,
  RecordResult,
  ValuesQuery,
} from '../query/ast.ts';

/** What is known of a store's contents and health, for `/api/status` and the health view. */
export interface StoreStatus {
  readonly kind: string;
  readonly ready: boolean;
  /** Why it is not ready, for a person. */
  readonly error?: string;
  /** Damage that was found and is worked around, for a person: one sentence each. */
  readonly warnings?: readonly string[];
  readonly rows: number;
  readonly sizeBytes: number;
  /** End time of the oldest and the newest row, epoch ms. */
  readonly oldestMs?: number;
  readonly newestMs?: number;
}

/** Rows that were appended, by what became of them; those in neither are not durable yet. */
export interface StoreOutcome {
  readonly durable: number;
  readonly lost: number;
}

/**
 * Where flows are kept and asked for. DuckDB is one; Loki, Prometheus and ClickHouse will follow.
 *
 * `append` resolves when a query would see the rows; `outcome` tells which of them a crash would
 * not lose any more, and which could not be written after all. Queries are cancelled by their
 * signal down to the database and reject with the signal's reason; a query that the store cannot
 * answer rejects with a coded error that says why.
 */
export interface FlowStore extends Component, FlowReader {
  append(batch: FlowBatch): Promise<void>;
  /** Rows appended so far survive a crash once this resolves. */
  flush(): Promise<void>;
}

/** What is asked of a store. */
export interface FlowReader {
  records(query: RecordQuery, signal: AbortSignal): Promise<RecordResult>;
  metrics(query: MetricQuery, signal: AbortSignal): Promise<MetricResult>;
  values(query: ValuesQuery, signal: AbortSignal): Promise<readonly string[]>;
  /**
   * Sums over all appends since the store was made; they only grow. A store without it has made
   * rows durable when `append` resolves.
   */
  outcome?(): StoreOutcome;
  status(): Promise<StoreStatus>;
}
