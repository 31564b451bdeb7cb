import type { Metrics } from '../../telemetry/metrics.ts';
import { OPERATION } from './protocol.ts';

const LIFETIME_BUCKETS_S = [1, 10, 30, 60, 300, 600, 1800, 3600, 7200];

const OPERATIONS: Readonly<Record<number, string>> = {
  [OPERATION.add]: 'ADD',
  [OPERATION.update]: 'UPDATE',
  [OPERATION.delete]: 'DELETE',
};

export type InformersMetrics = ReturnType<typeof createInformersMetrics>;

/** Names, types and labels are those of flowlogs-pipeline's informers. */
export function createInformersMetrics(metrics: Metrics) {
  const isLeader = metrics.gauge('flp_informers_is_leader', '1 while this program is the leader');
  const connected = metrics.gauge(
    'flp_informers_connected_processors',
    'Processors with an open stream',
  );
  const updates = metrics.counter(
    'flp_informers_cache_updates_total',
    'Messages with changes, or with parts of a snapshot, that were sent',
    ['operation'],
  );
  const snapshots = metrics.counter(
    'flp_informers_snapshots_sent_total',
    'Complete snapshots that were sent',
  );
  const errors = metrics.counter('flp_informers_errors_total', 'Failures by their kind', [
    'error_type',
  ]);
  const count = (name: string, help: string) => metrics.counter(`flp_informers_grpc_${name}`, help);
  const bytesSent = count('bytes_sent_total', 'Bytes of messages sent to processors');
  const bytesReceived = count('bytes_received_total', 'Bytes of messages from processors');
  const messagesSent = count('messages_sent_total', 'Messages sent to processors');
  const messagesReceived = count('messages_received_total', 'Messages from processors');
  const connections = metrics.counter(
    'flp_informers_processor_connections_total',
    'Streams that began, began again after a failure, or ended',
    ['event'],
  );
  const lifetimes = metrics.histogram(
    'flp_informers_processor_lifetime_duration_seconds',
    'Duration of streams that ended',
    LIFETIME_BUCKETS_S,
  );
  const overflows = metrics.counter(
    'flp_informers_outbox_overflows_total',
    'Times that a processor was so slow that it got a new snapshot in place of its changes',
  );
  isLeader.set(0);
  connected.set(0);
  return {
    leads: (yes: boolean) => isLeader.set(yes ? 1 : 0),
    sent(operation: number, isSnapshot: boolean, bytes: number) {
      updates.inc({ operation: isSnapshot ? 'SNAPSHOT' : OPERATIONS[operation]! });
      messagesSent.inc();
      bytesSent.inc(bytes);
    },
    received(bytes: number) {
      messagesReceived.inc();
      bytesReceived.inc(bytes);
    },
    snapshotSent: () => snapshots.inc(),
    overflown: () => overflows.inc(),
    failed: (type: 'discovery' | 'election' | 'connection' | 'refused') =>
      errors.inc({ error_type: type }),
    connected(isFirst: boolean) {
      connected.inc();
      connections.inc({ event: isFirst ? 'connected' : 'reconnected' });
    },
    disconnected(lifetimeMs: number) {
      connected.dec();
      connections.inc({ event: 'disconnected' });
      lifetimes.observe(lifetimeMs / 1000);
    },
  };
}
