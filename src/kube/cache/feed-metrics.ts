import type { Metrics } from '../../telemetry/metrics.ts';

export type FeedMetrics = ReturnType<typeof createFeedMetrics>;

/** Messages that a processor gets from informers. */
export function createFeedMetrics(metrics: Metrics) {
  const informers = metrics.gauge('kube_cache_informers', 'Informers with an open stream');
  const updates = metrics.counter(
    'kube_cache_updates_total',
    'Messages of informers that were applied, by operation',
    ['operation'],
  );
  const entries = metrics.counter(
    'kube_cache_entries_total',
    'Objects in these messages, by outcome: used, or of a kind that gives no names',
    ['outcome'],
  );
  const errors = metrics.counter(
    'kube_cache_errors_total',
    'Messages of informers that were refused, by the code of the error',
    ['code'],
  );
  const snapshots = metrics.counter(
    'kube_cache_snapshots_total',
    'Complete snapshots that were received',
  );
  informers.set(0);
  return {
    informers: (count: number) => informers.set(count),
    applied: (operation: string) => updates.inc({ operation }),
    entry: (outcome: 'used' | 'other') => entries.inc({ outcome }),
    refused: (code: string) => errors.inc({ code }),
    snapshot: () => snapshots.inc(),
  };
}
