import type { Writable } from 'node:stream';
import type { Agent } from '../../agent/agent.ts';
import type { AgentConfig } from '../../agent/config.ts';
import { createExporter } from '../../agent/export/exporters.ts';
import { fieldsOf } from '../../agent/features/table.ts';
import type { Native } from '../../agent/loader/native.ts';
import { type AgentDeps, createAgent } from '../../agent/root.ts';
import { type Clock, systemRandom } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { agentColumns } from '../../flow/agent-columns.ts';
import { TableSpace } from '../../flow/intern.ts';
import { Health, type HealthState } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import { type LossCount, registerProcessMetrics } from '../../telemetry/process-metrics.ts';
import { bpfObject, keepUnpacked } from '../assets.ts';
import { readHostFile } from '../capabilities.ts';
import { watchHealth } from '../capture/health.ts';
import { givePrivilegesUp } from '../capture/privileges.ts';
import { droppedRows } from '../daemon/ends.ts';
import { sourceFirst } from '../daemon/lifecycle.ts';
import { exposeCollection, keepMemorySmall } from '../daemon/memory.ts';
import { metricsServer, profileServer } from '../daemon/telemetry.ts';

/** Names and addresses kept between drains; only the next batch refers to them. */
const INTERN_ENTRIES_MAX = 32_768;

export interface AgentHostDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
  readonly stderr: LossCount;
  readonly native: Native;
}

/** An agent and the exporter of its flows or packets, connected but not started. */
export interface AgentHost {
  /** In start order. */
  readonly components: readonly Component[];
  readonly health: Health;
  readonly agent: Pick<Agent, 'capabilities'> & Component;
  /** Flows or packets counted and not handed on, so far. */
  lostFlows(): number;
}

interface Joined {
  readonly components: readonly Component[];
  readonly agent: Agent;
  /** Undefined when a pipeline replaces it. */
  readonly exporter: { readiness(): HealthState } | undefined;
  readonly lostFlows: () => number;
}

/** Connects an agent to the exporter or pipeline that EXPORT selects. */
export async function createAgentHost(
  config: AgentConfig,
  deps: AgentHostDeps,
): Promise<AgentHost> {
  const { log, env, clock, native } = deps;
  const metrics = createMetrics(config.metricsPrefix);
  registerProcessMetrics(createMetrics('', metrics.registry), deps.stderr);
  const health = new Health();
  const telemetry = [
    ...(await metricsServer(config, { log, metrics, health })),
    ...(await profileServer(config, { log, clock, counts: metrics })),
  ];
  const joined = config.enablePca
    ? await joinCapture(config, deps, metrics)
    : await joinFlows(config, deps, metrics, health);
  const { agent, exporter, lostFlows } = joined;
  watchHealth(health, agent, exporter);
  const trimming = keepMemorySmall({
    native,
    log,
    clock,
    exposeCollection,
    read: readHostFile,
  });
  // Last: starting the components before it takes more privileges than running does.
  const giving = givePrivilegesUp({ native, agent, log, dataDir: undefined });
  const capturing = sourceFirst(agent, [...telemetry, ...joined.components]);
  const keeping = keepUnpacked(env, clock);
  return { components: [capturing, giving, trimming, keeping], health, agent, lostFlows };
}

async function joinCapture(
  config: AgentConfig,
  deps: AgentHostDeps,
  metrics: Metrics,
): Promise<Joined> {
  const { createCapture } = await import('./capture.ts');
  const { exporter, agent } = await createCapture(config, deps, metrics);
  return { components: [exporter], agent, exporter, lostFlows: () => exporter.lostAtEnd() };
}

async function joinFlows(
  config: AgentConfig,
  deps: AgentHostDeps,
  metrics: Metrics,
  health: Health,
): Promise<Joined> {
  const { log, clock, native } = deps;
  const { components, exporter, lostFlows, ...sink } = await createSink(
    config,
    deps,
    metrics,
    health,
  );
  const object = bpfObject();
  // Readers of our own output find the field that says what such a flow is.
  const takesEmptyFlows = config.export === 'stdout';
  return {
    components,
    agent: createAgent(config, { log, clock, metrics, native, object, takesEmptyFlows, ...sink }),
    exporter,
    lostFlows,
  };
}

interface Sink
  extends Pick<AgentDeps, 'take' | 'emit'>,
    Pick<Joined, 'components' | 'exporter' | 'lostFlows'> {}

async function createSink(
  config: AgentConfig,
  { log, clock, stdout, env }: AgentHostDeps,
  metrics: Metrics,
  health: Health,
): Promise<Sink> {
  const tables = new TableSpace(INTERN_ENTRIES_MAX);
  if (config.export === 'direct-flp') {
    // Loaded only when needed: an agent that only sends flows has no pipeline in memory.
    const { directPipeline } = await import('./direct.ts');
    const { pipeline, components } = directPipeline(config, {
      pipeline: { log, clock, tables, stdout, env },
      log,
      metrics,
      health,
    });
    return {
      components,
      exporter: undefined,
      lostFlows: () => droppedRows(pipeline),
      take: () => pipeline.take(),
      emit: (batch) => pipeline.emit(batch),
    };
  }
  const columns = agentColumns(new Set(fieldsOf(config)));
  const shared = { log, clock, metrics, tables, columns, stdout, random: systemRandom };
  const exporter = await createExporter(config, shared);
  return {
    components: [exporter],
    exporter,
    lostFlows: () => exporter.lostAtEnd(),
    take: () => exporter.take(),
    emit: (batch) => exporter.emit(batch),
  };
}
