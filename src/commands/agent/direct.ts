import { parse } from 'yaml';
import type { AgentConfig } from '../../agent/config.ts';
import { refuse } from '../../agent/export/check.ts';
import { fieldsOf } from '../../agent/trackers/table.ts';
import type { Component } from '../../base/component.ts';
import { explain } from '../../base/errors.ts';
import { agentColumns } from '../../flow/agent-columns.ts';
import type { PipelineConfig } from '../../pipeline/config.ts';
import { compilePipeline, type Pipeline, type PipelineDeps } from '../../pipeline/pipeline.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import { createTelemetryServer, type TelemetryServerDeps } from '../../telemetry/server.ts';

/** What a flowlogs-pipeline by itself makes use of, and a pipeline in the agent has from there. */
const OF_THE_PROGRAM: ReadonlySet<string> = new Set([
  'log-level',
  'health',
  'healthAddr',
  'profile',
  'pprofAddr',
  'k8scache',
  'perfSettings',
  'dynamicParameters',
]);

/**
 * What the agent knows of a flow and does not tell a pipeline, as the original: of several
 * interfaces each has a direction, and the flow's own is what `reinterpret_direction` finds out.
 */
const NOT_TOLD: ReadonlySet<string> = new Set(['FlowDirection']);

export interface DirectDeps extends Omit<TelemetryServerDeps, 'metrics'> {
  readonly pipeline: Pick<PipelineDeps, 'log' | 'clock' | 'tables' | 'stdout'>;
  /** The agent's; the pipeline's are added, under their own prefix. */
  readonly metrics: Metrics;
}

export interface Direct {
  readonly pipeline: Pipeline;
  /** Its metrics server first. */
  readonly components: readonly Component[];
}

/** EXPORT=direct-flp: the pipeline of FLP_CONFIG in the agent's process. */
export function directPipeline(config: AgentConfig, deps: DirectDeps): Direct {
  const { log, health } = deps;
  const written = parseFlpConfig(config.flpConfig);
  for (const key of Object.keys(written)) {
    if (OF_THE_PROGRAM.has(key)) log.warn(`FLP_CONFIG: ${key} has no effect in an agent`);
  }
  const own = Object.entries(written).filter(([key]) => !OF_THE_PROGRAM.has(key));
  const flp = Object.fromEntries(own) as unknown as PipelineConfig;
  const prefix: unknown = flp.metricsSettings?.prefix;
  const metrics = createMetrics(typeof prefix === 'string' ? prefix : '', deps.metrics.registry);
  const columns = agentColumns(new Set(fieldsOf(config)));
  const source = columns.filter(({ name }) => !NOT_TOLD.has(name));
  const pipeline = compilePipeline(flp, { ...deps.pipeline, metrics, source });
  const { disableGlobalServer, address, port, tls } = pipeline.metricsSettings;
  // With the same address, the agent's own server has the pipeline's metrics as well.
  const isServed =
    config.metricsEnable &&
    config.metricsServerPort === port &&
    config.metricsServerAddress === address;
  if (disableGlobalServer || isServed) return { pipeline, components: [pipeline] };
  const files = tls === undefined || tls.certPath === '' ? {} : { tls };
  const server = createTelemetryServer(
    { address, port, ...files },
    {
      log,
      metrics,
      health,
      counts: deps.metrics,
    },
  );
  return { pipeline, components: [server, pipeline] };
}

/** JSON is YAML. */
function parseFlpConfig(text: string): Readonly<Record<string, unknown>> {
  if (text === '') {
    throw refuse(
      'flpConfig',
      'not set: EXPORT=direct-flp needs the pipeline as YAML or JSON, with "pipeline" and ' +
        '"parameters"',
    );
  }
  let parsed: unknown;
  try {
    parsed = parse(text);
  } catch (error) {
    throw refuse('flpConfig', `neither YAML nor JSON: ${explain(error)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw refuse('flpConfig', 'must have the keys "pipeline" and "parameters"');
  }
  return parsed as Readonly<Record<string, unknown>>;
}
