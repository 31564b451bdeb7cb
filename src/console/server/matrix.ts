import { fieldByName } from '../../flow/fields.ts';
import type { MetricQuery, MetricResult, Series } from '../../query/ast.ts';
import type { MatrixItem, MetricsResponse, QueryStats } from '../api.ts';

/** A metrics answer in the format of Prometheus. */
export function toMatrix(
  query: MetricQuery,
  result: MetricResult,
  stats: QueryStats,
  nowMs: number,
): MetricsResponse {
  const byApp = query.groupBy.length === 0;
  // As in the console plugin, times in nanoseconds are reported in milliseconds.
  const isTime = fieldByName(query.type)?.unit === 'nanoseconds' && query.fn !== 'count';
  return {
    resultType: 'matrix',
    result: result.series.map((series) => toItem(series, byApp, isTime ? 1e6 : 1)),
    stats,
    unixTimestamp: Math.floor(nowMs / 1000),
  };
}

function toItem(series: Series, byApp: boolean, divisor: number): MatrixItem {
  return {
    metric: byApp ? { app: 'netobserv-flowcollector' } : series.labels,
    values: series.points.map(([seconds, value]) => [seconds, String(value / divisor)] as const),
  };
}
