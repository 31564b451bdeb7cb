import { LOSS_REASONS } from '../../deliver/message.ts';
import { createDeliveryMetrics, type DeliveryMetrics } from '../../deliver/metrics.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { sharedMetrics } from '../metrics.ts';

/**
 * Metrics of one exporter, `grpc`, `kafka` …: those of every delivery, and the counters of
 * netobserv-ebpf-agent, with its names and labels.
 */
export function createExportMetrics(metrics: Metrics, exporter: string): DeliveryMetrics {
  const { evictions, evictedFlows, droppedFlows, errors } = sharedMetrics(metrics);
  const delivery = createDeliveryMetrics(metrics, exporter);
  const severity = 'high';
  for (const reason of LOSS_REASONS) droppedFlows.inc({ source: exporter, reason }, 0);
  for (const error of ['CannotWriteMessage', 'Timeout']) {
    errors.inc({ component: exporter, error, severity }, 0);
  }
  return {
    spool: delivery.spool,
    retry: delivery.retry,
    sent(amount) {
      delivery.sent(amount);
      evictions.inc({ source: exporter, reason: '' });
      evictedFlows.inc({ source: exporter, reason: '' }, amount.flows);
    },
    lost(amount, reason) {
      delivery.lost(amount, reason);
      droppedFlows.inc({ source: exporter, reason }, amount.flows);
    },
    error(error) {
      delivery.error(error);
      errors.inc({ component: exporter, error, severity });
    },
  };
}
