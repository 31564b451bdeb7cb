import { createConnectionMetrics } from '../../telemetry/connections.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { createPlainHttpMetrics } from '../../telemetry/plain-http.ts';

/** Why a request was turned away before it did any work. */
type RejectReason =
  | 'host'
  | 'origin'
  | 'token'
  | 'login_rate'
  | 'queries_busy'
  | 'answers_busy'
  | 'live_full'
  | 'malformed';

const DURATION_BUCKETS_S = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export type ConsoleMetrics = ReturnType<typeof createConsoleMetrics>;

export function createConsoleMetrics(metrics: Metrics) {
  const rejected = metrics.counter(
    'console_rejected_requests_total',
    'Requests that the console turned away, by reason',
    ['reason'],
  );
  const limited = createConnectionMetrics(metrics);
  const plain = createPlainHttpMetrics(metrics);
  return {
    limitConnection: (outcome: string): void => limited.inc({ server: 'console', outcome }),
    plainRequest: (): void => plain.inc({ server: 'console' }),
    reject: (reason: RejectReason): void => rejected.inc({ reason }),
    calls: metrics.histogram(
      'http_api_calls_duration',
      'Duration in seconds of calls to the console API',
      DURATION_BUCKETS_S,
      ['handler', 'code'],
    ),
    liveClients: metrics.gauge('console_live_clients', 'Browsers that follow live updates'),
    liveTicksSkipped: metrics.counter(
      'console_live_ticks_skipped_total',
      'Live updates not sent because the client was still reading earlier ones',
    ),
    liveClientsDropped: metrics.counter(
      'console_live_clients_dropped_total',
      'Live clients disconnected because they stopped reading, or to make room for others',
    ),
    queriesRunning: metrics.gauge('console_queries_running', 'Queries running in the store'),
    queriesWaiting: metrics.gauge('console_queries_waiting', 'Queries waiting for a slot'),
  } as const;
}
