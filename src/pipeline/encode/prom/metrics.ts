import { LOSS_REASONS } from '../../../deliver/message.ts';
import type { DeliveryMetrics } from '../../../deliver/metrics.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';

/** Metrics of a prom stage, under the names of `flowlogs-pipeline`. */
export interface PromMetrics {
  processed(samples: number): void;
  /** Samples that are in the series of `other`. */
  dropped(samples: number): void;
  reported(series: number): void;
  badValue(metric: string, rows: number): void;
}

export function createPromMetrics(metrics: Metrics, stage: string): PromMetrics {
  const { processed, dropped, reported, errors } = declare(metrics);
  return {
    processed: (samples) => processed.inc({ stage }, samples),
    dropped: (samples) => dropped.inc({ stage }, samples),
    reported: (series) => reported.set({ stage }, series),
    badValue: (metric, rows) =>
      errors.inc({ error: 'ValueConversionError', metric, key: stage }, rows),
  };
}

function declare(metrics: Metrics) {
  return {
    processed: metrics.counter('metrics_processed', 'Samples added to flow metrics', ['stage']),
    dropped: metrics.counter(
      'metrics_dropped',
      'Samples that went to a series with the labels `other`, because of maxMetrics',
      ['stage'],
    ),
    reported: metrics.gauge('encode_prom_metrics_reported', 'Series that are exposed', ['stage']),
    errors: metrics.counter('encode_prom_errors', 'Flows whose value makes no sample', [
      'error',
      'metric',
      'key',
    ]),
  };
}

/** Metrics of the transmissions of a stage: made = sent + lost + waiting. */
export interface RemoteWriteMetrics {
  made(samples: number): void;
  /** A transmission found no room among those that wait. */
  refused(samples: number): void;
  /** The amounts of its messages count samples as flows. */
  readonly delivery: DeliveryMetrics;
}

export function createRemoteWriteMetrics(metrics: Metrics, stage: string): RemoteWriteMetrics {
  const { made, sent, lost, retries, waiting } = declareRemoteWrite(metrics);
  // `rate()` misses the first loss of a series that begins with it.
  for (const family of [made, sent, retries]) family.inc({ stage }, 0);
  for (const reason of LOSS_REASONS) lost.inc({ stage, reason }, 0);
  return {
    made: (samples) => made.inc({ stage }, samples),
    refused: (samples) => lost.inc({ stage, reason: 'full' }, samples),
    delivery: {
      spool: (_messages, bytes) => waiting.set({ stage }, bytes),
      sent: ({ flows }) => sent.inc({ stage }, flows),
      lost: ({ flows }, reason) => lost.inc({ stage, reason }, flows),
      retry: () => retries.inc({ stage }),
      error: () => undefined,
    },
  };
}

function declareRemoteWrite(metrics: Metrics) {
  return {
    made: metrics.counter(
      'remote_write_made_samples_total',
      'Samples made for remote write: those sent, lost, and waiting',
      ['stage'],
    ),
    sent: metrics.counter('remote_write_samples_total', 'Samples that the receiver took', [
      'stage',
    ]),
    lost: metrics.counter(
      'remote_write_lost_samples_total',
      'Samples that the receiver did not take',
      ['stage', 'reason'],
    ),
    retries: metrics.counter('remote_write_retries_total', 'Requests that were repeated', [
      'stage',
    ]),
    waiting: metrics.gauge(
      'remote_write_waiting_bytes',
      'Compressed bytes of requests that wait or are being sent',
      ['stage'],
    ),
  };
}
