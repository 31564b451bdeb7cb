import type { Metrics } from '../../../telemetry/metrics.ts';

/** Metrics of a prom stage, under the names of `flowlogs-pipeline`. */
export interface PromMetrics {
  processed(samples: number): void;
  dropped(): void;
  reported(series: number): void;
  badValue(metric: string, rows: number): void;
}

export function createPromMetrics(metrics: Metrics, stage: string): PromMetrics {
  const { processed, dropped, reported, errors } = declare(metrics);
  return {
    processed: (samples) => processed.inc({ stage }, samples),
    dropped: () => dropped.inc({ stage }),
    reported: (series) => reported.set({ stage }, series),
    badValue: (metric, rows) =>
      errors.inc({ error: 'ValueConversionError', metric, key: stage }, rows),
  };
}

function declare(metrics: Metrics) {
  return {
    processed: metrics.counter('metrics_processed', 'Samples added to flow metrics', ['stage']),
    dropped: metrics.counter('metrics_dropped', 'Samples left out because of maxMetrics', [
      'stage',
    ]),
    reported: metrics.gauge('encode_prom_metrics_reported', 'Series that are exposed', ['stage']),
    errors: metrics.counter('encode_prom_errors', 'Flows whose value makes no sample', [
      'error',
      'metric',
      'key',
    ]),
  };
}
