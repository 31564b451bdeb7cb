import type { Component } from '../base/component.ts';
import type { FlowBatch } from '../flow/batch.ts';
import type {
  MetricQuery,
  MetricResult,
  RecordQuery,
  RecordResult,
  ValuesQuery,
} from '../query/ast.ts';

/** Contents and health of a store, for `/api/status` and the health view. */
export interface StoreStatus {
  readonly kind: string;
  readonly ready: boolean;
  /** Why it is not ready, for people. */
  readonly error?: string;
  /** Damage that the store works around, for people: one sentence each. */
  readonly warnings?: readonly string[];
  readonly rows: number;
  readonly sizeBytes: number;
  /** End time of the oldest and the newest row, epoch ms. */
  readonly oldestMs?: number;
  readonly newestMs?: number;
}

/** Appended rows, by outcome; rows in neither count are not durable yet. */
export interface StoreOutcome {
  readonly durable: number;
  readonly lost: number;
}

/**
 * A place that keeps flows and answers queries. DuckDB is one; Loki, Prometheus and ClickHouse will
 * follow.
 *
 * `append` resolves when a query would see the rows; `outcome` counts the rows that would survive a
 * crash, and those that could not be written after all. Queries are cancelled by their signal down
 * to the database and reject with the signal's reason; a query that the store cannot answer rejects
 * with a coded error that says why.
 */
export interface FlowStore extends Component, FlowReader {
  /** Names of the columns that it can keep; others need not be filled. Absent: any. */
  readonly columns?: readonly string[];
  append(batch: FlowBatch): Promise<void>;
  /** Rows appended so far survive a crash once this resolves. */
  flush(): Promise<void>;
}

/** The queries of a store. */
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
