import type { AgentConfig } from '../../agent/config.ts';
import { AGENT_ERRORS } from '../../agent/errors.ts';
import { refuse } from '../../agent/export/check.ts';
import { fieldsOf } from '../../agent/features/table.ts';
import type { Component } from '../../base/component.ts';
import { explain, NetobservError } from '../../base/errors.ts';
import { type ConfigDocument, parseDocument, withPlaces } from '../../config/document.ts';
import { agentColumns } from '../../flow/agent-columns.ts';
import { checkFile } from '../../pipeline/config.ts';
import { configError, PIPELINE_ERRORS } from '../../pipeline/errors.ts';
import { compilePipeline, type Pipeline, type PipelineDeps } from '../../pipeline/pipeline.ts';
import { serverConfig } from '../../pipeline/server-config.ts';
import { STAGE_TYPES } from '../../pipeline/stages.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import { createTelemetryServer, type TelemetryServerDeps } from '../../telemetry/server.ts';
import { countries } from '../assets.ts';

/**
 * The pipeline does not get this field from the agent, as in `flowlogs-pipeline`: each interface of
 * a flow has a direction, and `reinterpret_direction` derives the flow's own from them.
 */
const DERIVED: ReadonlySet<string> = new Set(['FlowDirection']);

export interface DirectDeps extends Omit<TelemetryServerDeps, 'metrics'> {
  readonly pipeline: Pick<PipelineDeps, 'log' | 'clock' | 'tables' | 'stdout' | 'env'>;
  /** Metrics of the agent; those of the pipeline are added under their own prefix. */
  readonly metrics: Metrics;
}

export interface Direct {
  readonly pipeline: Pipeline;
  /** The metrics server comes first. */
  readonly components: readonly Component[];
}

/** EXPORT=direct-flp: runs the pipeline of FLP_CONFIG in the agent's process. */
export function directPipeline(config: AgentConfig, deps: DirectDeps): Direct {
  const { log, health } = deps;
  const document = parseFlpConfig(config.flpConfig);
  const { config: flp, programKeys } = checkFile(document, STAGE_TYPES);
  for (const key of programKeys) log.warn(`FLP_CONFIG: ${key} has no effect in an agent`);
  const metrics = createMetrics(flp.metricsSettings?.prefix ?? '', deps.metrics.registry);
  const columns = agentColumns(new Set(fieldsOf(config)));
  const source = columns.filter(({ name }) => !DERIVED.has(name));
  const pipeline = withPlaces(document, () =>
    compilePipeline(flp, { ...deps.pipeline, metrics, source, countries }),
  );
  if (pipeline.clusterState !== undefined) health.addReady('kubernetes', pipeline.clusterState);
  const { disableGlobalServer, address, port, tokenPath } = pipeline.metricsSettings;
  // With the same address, the agent's own server also serves the pipeline's metrics.
  const isServed =
    config.metricsEnable &&
    config.metricsServerPort === port &&
    config.metricsServerAddress === address;
  const isOpen = tokenPath !== '' && tokenPath !== config.metricsTokenPath;
  if (isServed && isOpen && !disableGlobalServer) {
    const problem =
      'the agent’s own server has the same address, but another token or none: choose another ' +
      'port, or the same file in METRICS_TOKEN_PATH';
    throw configError(PIPELINE_ERRORS.option, 'metricsSettings.tokenPath', problem);
  }
  if (disableGlobalServer || isServed) return { pipeline, components: [pipeline] };
  const served = { log, metrics, health, counts: deps.metrics };
  const server = createTelemetryServer(serverConfig(pipeline.metricsSettings), served);
  return { pipeline, components: [server, pipeline] };
}

function parseFlpConfig(text: string): ConfigDocument {
  if (text === '') {
    throw refuse(
      'flpConfig',
      'not set: EXPORT=direct-flp needs the pipeline as YAML or JSON, with "pipeline" and ' +
        '"parameters"',
    );
  }
  let document: ConfigDocument;
  try {
    document = parseDocument('FLP_CONFIG', text);
  } catch (error) {
    // The message begins with the position in the variable.
    throw new NetobservError(AGENT_ERRORS.option, explain(error), {
      details: { variable: 'FLP_CONFIG' },
    });
  }
  const { value } = document;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuse('flpConfig', 'must have the keys "pipeline" and "parameters"');
  }
  return document;
}
