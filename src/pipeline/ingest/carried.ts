import type { DeliveryMetrics } from '../../deliver/metrics.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { StageContext } from '../stage.ts';
import type { ExporterMetrics } from './exporters.ts';

/** Counters of datagrams that are put into a topic undecoded. */
export function createCarriedMetrics(metrics: Metrics) {
  const labels = ['stage'] as const;
  return {
    carried: metrics.counter(
      'ingest_carried_datagrams_total',
      'Datagrams that `ingest: datagrams` has put into its topic',
      labels,
    ),
    retries: metrics.counter(
      'ingest_carried_retries_total',
      'Attempts of `ingest: datagrams` to send a request again',
      labels,
    ),
    waiting: metrics.gauge(
      'ingest_carried_waiting_bytes',
      'Bytes of datagrams that wait for the brokers',
      labels,
    ),
  };
}

/** The counters of a delivery, whose messages have datagrams in place of flows. */
export function carriedMetrics(
  metrics: Metrics,
  lost: ExporterMetrics['lost'],
  { name: stage, counts }: StageContext,
): DeliveryMetrics {
  const { carried, retries, waiting } = createCarriedMetrics(metrics);
  carried.inc({ stage }, 0);
  return {
    spool: (_messages, bytes) => waiting.set({ stage }, bytes),
    sent: ({ flows }) => carried.inc({ stage }, flows),
    lost: ({ flows }, reason) => lost.inc({ stage, reason }, flows),
    retry: () => retries.inc({ stage }),
    error: (error) => counts.ingestError('delivery', error),
  };
}
