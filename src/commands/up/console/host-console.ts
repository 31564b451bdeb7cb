import type { Agent } from '../../../agent/agent.ts';
import { fieldsOfNamed } from '../../../agent/features/table.ts';
import type { StatusResponse } from '../../../console/api.ts';
import { DEFAULT_LIMITS } from '../../../console/server/config.ts';
import type { SubscribeRows } from '../../../console/server/live.ts';
import type { Feature } from '../../../flow/field.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import type { MetricQuery, RecordQuery, ValuesQuery } from '../../../query/ast.ts';
import type { FlowReader } from '../../../store/store.ts';
import type { Health } from '../../../telemetry/health.ts';
import type { LogLevel } from '../../../telemetry/log.ts';
import type { Metrics } from '../../../telemetry/metrics.ts';
import { consoleCode, webRoot } from '../../assets.ts';
import { buildFacts } from '../../build-facts.ts';
import type { UpConfig } from '../options.ts';
import { consoleRenewals } from '../protection.ts';
import { type ConsoleThread, type ConsoleThreadDeps, consoleInThread } from './thread.ts';

const CONSOLE_METRICS_PREFIX = 'netobserv_';

export interface HostConsoleDeps extends Pick<ConsoleThreadDeps, 'log' | 'clock' | 'stderr'> {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** File of the console's token; undefined: anybody who can reach the console may use it. */
  readonly tokenPath: string | undefined;
}

export interface ConsoleParts {
  readonly metrics: Metrics;
  readonly store: FlowReader;
  readonly health: Health;
  readonly agent: Agent;
  readonly pipeline: Pipeline;
  readonly subscribe: SubscribeRows;
  /** Gates of the fields that the pipeline fills. */
  readonly gates: readonly Feature[];
}

/** The console of `up` in its own thread; it uses the store and the agent of this one. */
export function createHostConsole(
  config: UpConfig,
  { log, clock, env, stderr, tokenPath }: HostConsoleDeps,
  { agent, pipeline, store, health, metrics, subscribe, gates }: ConsoleParts,
): ConsoleThread {
  const { version, date } = buildFacts();
  const { listen, allowedHosts, sampling, tlsCertFile, tlsKeyFile } = config;
  return consoleInThread(
    {
      config: {
        listen,
        webRoot: webRoot(env),
        allowedHosts,
        frontend: {
          recordTypes: ['flowLog'],
          sampling,
          portNaming: { enable: true, portNames: {} },
          quickFilters: [],
        },
        limits: DEFAULT_LIMITS,
      },
      files: { tokenPath, tlsCertFile, tlsKeyFile },
      version: { version, buildDate: date },
      logLevel: log.level as LogLevel,
      metricsPrefix: CONSOLE_METRICS_PREFIX,
    },
    {
      log,
      clock,
      metrics,
      subscribe,
      stderr,
      renewals: consoleRenewals({ log, counts: metrics, health }),
      code: consoleCode(),
      answers: {
        records: (query: RecordQuery, signal) => store.records(query, signal),
        metrics: (query: MetricQuery, signal) => store.metrics(query, signal),
        values: (query: ValuesQuery, signal) => store.values(query, signal),
        storeStatus: () => store.status(),
        features: () => [...gates, ...openGates(agent)],
        live: () => health.live(),
        ready: () => health.ready(),
        agentStatus: () => agentStatus(agent),
        branches: () => pipeline.branches(),
        exposition: () => metrics.registry.metrics(),
      },
    },
  );
}

/** Gates of the fields that the agent fills, for the features that the kernel allowed. */
function openGates(agent: Agent): readonly Feature[] {
  const on = agent.status().features.filter(({ state }) => state === 'on');
  return fieldsOfNamed(on.map(({ name }) => name));
}

function agentStatus(agent: Agent): Omit<StatusResponse['agent'], 'isEnabled'> {
  const { interfaces, features, accounting, vitals } = agent.status();
  return { interfaces, features, accounting: accounting ?? null, vitals: vitals ?? null };
}
