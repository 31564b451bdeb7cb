import type { Counter, Gauge, Histogram } from 'prom-client';
import type { Metrics } from '../../telemetry/metrics.ts';

export interface StoreMetrics {
  readonly appended: Counter;
  readonly lost: Counter;
  readonly commits: Counter<'result'>;
  readonly commitSeconds: Histogram;
  readonly queries: Counter<'kind' | 'result'>;
  readonly querySeconds: Histogram<'kind'>;
  readonly dropped: Counter<'reason'>;
  readonly rows: Gauge;
  readonly sizeBytes: Gauge;
  readonly partitions: Gauge;
  readonly damaged: Gauge;
  readonly renewals: Counter;
}

const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10] as const;

export function createStoreMetrics(metrics: Metrics): StoreMetrics {
  return {
    appended: metrics.counter('store_appended_flows_total', 'Flows that the store has taken.'),
    lost: metrics.counter(
      'store_lost_flows_total',
      'Flows that the store had taken and could not write.',
    ),
    commits: metrics.counter('store_commits_total', 'Transactions that wrote flows.', ['result']),
    commitSeconds: metrics.histogram(
      'store_commit_duration_seconds',
      'Time of a transaction that writes flows.',
      SECONDS,
    ),
    queries: metrics.counter('store_queries_total', 'Queries by kind and result.', [
      'kind',
      'result',
    ]),
    querySeconds: metrics.histogram(
      'store_query_duration_seconds',
      'Time of a query, the wait for its turn included.',
      SECONDS,
      ['kind'],
    ),
    dropped: metrics.counter(
      'store_dropped_partitions_total',
      'Partitions dropped because of their age, the size limit or a disk that fills up.',
      ['reason'],
    ),
    rows: metrics.gauge('store_flows', 'Flows in the store.'),
    sizeBytes: metrics.gauge('store_size_bytes', 'Disk space of the store.'),
    partitions: metrics.gauge('store_partitions', 'Partitions in the store.'),
    renewals: metrics.counter(
      'store_renewals_total',
      'Times that the file was closed and opened again to give memory back.',
    ),
    damaged: metrics.gauge(
      'store_damaged_parts',
      'Partitions that are left out and files that were set aside because they are damaged.',
    ),
  };
}
