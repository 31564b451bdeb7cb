import type { MetricQuery, MetricResult, Series } from './ast.ts';
import { stepsOf } from './metrics.ts';

/** One step of one series in a store's answer; steps before the range have negative numbers. */
export interface StepRow {
  /** 1 for the largest series (the smallest for `min`). */
  readonly rank: number;
  readonly names: readonly string[];
  /** Absent when the series has a total but no step of its own. */
  readonly step: number | undefined;
  readonly value: number | undefined;
}

interface Gathered {
  readonly names: readonly string[];
  readonly values: Map<number, number>;
}

/**
 * Joins steps to series: fills the gaps of sums with zeros, turns sums into rates, and leaves out
 * the series past the limit. A point's time is the start of its step.
 */
export function seriesOf(query: MetricQuery, rows: Iterable<StepRow>): MetricResult {
  const gathered = new Map<number, Gathered>();
  let limitReached = false;
  for (const row of rows) {
    if (row.rank > query.limit) {
      limitReached = true;
      continue;
    }
    let series = gathered.get(row.rank);
    if (series === undefined) {
      series = { names: row.names, values: new Map() };
      gathered.set(row.rank, series);
    }
    if (row.step !== undefined && row.value !== undefined) series.values.set(row.step, row.value);
  }
  const points = query.fn === 'rate' ? ratePoints : stepPoints;
  const series = [...gathered.values()].map(
    ({ names, values }): Series => ({
      labels: Object.fromEntries(query.groupBy.map((field, index) => [field, names[index] ?? ''])),
      points: points(query, values),
    }),
  );
  return { series, limitReached };
}

type Points = (readonly [number, number])[];

function stepPoints(query: MetricQuery, values: ReadonlyMap<number, number>): Points {
  const { count } = stepsOf(query);
  const gap = query.fn === 'sum' || query.fn === 'count' ? 0 : undefined;
  const points: Points = [];
  for (let step = 0; step < count; step++) {
    const value = values.get(step) ?? gap;
    if (value !== undefined) points.push([timeOf(query, step), value]);
  }
  return points;
}

/** Per second, over the window of whole steps that ends with each step. */
function ratePoints(query: MetricQuery, values: ReadonlyMap<number, number>): Points {
  const { count, window } = stepsOf(query);
  const { startMs, endMs } = query.range;
  const points: Points = [];
  let sum = 0;
  for (let step = 1 - window; step < count; step++) {
    sum += values.get(step) ?? 0;
    if (step < 0) continue;
    // The range may end in the middle of the last step, which then covers less time.
    const missingMs = Math.max(0, startMs + (step + 1) * query.stepMs - endMs);
    const seconds = (window * query.stepMs - missingMs) / 1000;
    points.push([timeOf(query, step), Math.max(0, sum) / seconds]);
    sum -= values.get(step + 1 - window) ?? 0;
  }
  return points;
}

function timeOf(query: MetricQuery, step: number): number {
  return (query.range.startMs + step * query.stepMs) / 1000;
}
