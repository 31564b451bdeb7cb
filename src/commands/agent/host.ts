import type { Writable } from 'node:stream';
import type { AgentConfig } from '../../agent/config.ts';
import { createExporter } from '../../agent/export/exporters.ts';
import { type Agent, type AgentDeps, createAgent } from '../../agent/root.ts';
import { fieldsOf } from '../../agent/trackers/table.ts';
import { type Clock, systemRandom } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { agentColumns } from '../../flow/agent-columns.ts';
import { TableSpace } from '../../flow/intern.ts';
import { Health } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import { bpfObject, loadNative } from '../assets.ts';
import { readHostFile } from '../capabilities.ts';
import { exclusiveCapture } from '../capture/exclusive.ts';
import { releaseStartMemory } from '../capture/memory.ts';
import { givePrivilegesUp } from '../capture/privileges.ts';
import { metricsServer } from '../capture/telemetry.ts';

/** Names and addresses kept between drains; nothing but the next batch refers to them. */
const INTERN_ENTRIES_MAX = 65_536;

export interface AgentHostDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Writable;
}

/** An agent and where it sends its flows, joined but not started. */
export interface AgentHost {
  /** In the order of starting. */
  readonly components: readonly Component[];
  readonly agent: Agent;
}

/** Joins an agent with the exporter, or the pipeline, that EXPORT asks for. */
export async function createAgentHost(
  config: AgentConfig,
  deps: AgentHostDeps,
): Promise<AgentHost> {
  const { log, clock, env } = deps;
  const metrics = createMetrics(config.metricsPrefix);
  const health = new Health();
  const sink = await createSink(config, deps, metrics, health);
  const native = loadNative(env);
  const agent = createAgent(config, {
    log,
    clock,
    metrics,
    native,
    object: bpfObject(),
    ...sink,
  });
  const telemetry = metricsServer(config, { log, metrics, health });
  const trimming = releaseStartMemory({ native, log, read: readHostFile });
  // Last: what is started has opened, loaded and bound what takes more rights than going on does.
  const giving = givePrivilegesUp({ native, agent, log, dataDir: undefined });
  return {
    components: [exclusiveCapture(), ...telemetry, ...sink.components, agent, giving, trimming],
    agent,
  };
}

interface Sink extends Pick<AgentDeps, 'take' | 'emit'> {
  readonly components: readonly Component[];
}

async function createSink(
  config: AgentConfig,
  { log, clock, stdout }: AgentHostDeps,
  metrics: Metrics,
  health: Health,
): Promise<Sink> {
  const tables = new TableSpace(INTERN_ENTRIES_MAX);
  if (config.export === 'direct-flp') {
    // Not before it is asked for: an agent that only sends flows has no pipeline in its memory.
    const { directPipeline } = await import('./direct.ts');
    const output = (bytes: Uint8Array): Promise<void> => writeTo(stdout, bytes);
    const { pipeline, components } = directPipeline(config, {
      pipeline: { log, clock, tables, output },
      log,
      metrics,
      health,
    });
    return {
      components,
      take: () => pipeline.take(),
      emit: (batch) => pipeline.emit(batch),
    };
  }
  const columns = agentColumns(new Set(fieldsOf(config)));
  const shared = { log, clock, metrics, tables, columns, stdout, random: systemRandom };
  const exporter = await createExporter(config, shared);
  return {
    components: [exporter],
    take: () => exporter.take(),
    emit: (batch) => exporter.emit(batch),
  };
}

function writeTo(stdout: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout.write(bytes, (error) => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}
