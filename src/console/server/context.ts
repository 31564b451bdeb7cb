import type { Clock } from '../../base/clock.ts';
import type { FlowReader } from '../../store/store.ts';
import type { HealthReport } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { StatusResponse } from '../api.ts';
import type { LiveHub, SubscribeRows } from './live.ts';
import type { ConsoleMetrics } from './metrics.ts';
import type { QueryGate } from './query-gate.ts';

type Awaitable<T> = T | Promise<T>;

/** Dependencies of the console on its process; they may run in another thread. */
export interface ConsoleDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly store: FlowReader;
  readonly version: { readonly version: string; readonly buildDate: string };
  /** Names of the features whose fields are filled; read at each request of the front end. */
  readonly features: () => Awaitable<readonly string[]>;
  /** Behind `/livez` and `/readyz`; without it they are not served. */
  readonly health?: {
    live(): Awaitable<HealthReport>;
    ready(): Awaitable<HealthReport>;
  };
  /** Metrics of the whole process behind `/metrics`. Without it, those in `metrics` are served. */
  readonly exposition?: () => Promise<string>;
  /** Absent when no agent runs in this process. */
  readonly agentStatus?: () => Awaitable<Omit<StatusResponse['agent'], 'isEnabled'>>;
  readonly branches?: () => Awaitable<StatusResponse['branches']>;
  /** Calls its listener after rows became visible in the store; if absent, ticks only beat. */
  readonly subscribe?: SubscribeRows;
}

/** State that the routes share. */
export interface ConsoleContext {
  readonly deps: ConsoleDeps;
  readonly metrics: ConsoleMetrics;
  readonly gate: QueryGate;
  readonly live: LiveHub;
}
