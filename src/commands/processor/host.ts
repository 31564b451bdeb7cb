import type { Writable } from 'node:stream';
import type { Native } from '../../agent/loader/native.ts';
import { type Clock, systemRandom } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import { type ConfigDocument, placed, withPlaces } from '../../config/document.ts';
import { TableSpace } from '../../flow/intern.ts';
import { Cluster, type ClusterDeps } from '../../kube/cluster.ts';
import { checkFile } from '../../pipeline/config.ts';
import { configError, PIPELINE_ERRORS } from '../../pipeline/errors.ts';
import type { PipelineConfig } from '../../pipeline/options/graph.ts';
import { PRESET_INGESTER } from '../../pipeline/options/ingest/preset.ts';
import { compilePipeline, type Pipeline } from '../../pipeline/pipeline.ts';
import { serverConfig } from '../../pipeline/server-config.ts';
import { STAGE_TYPES } from '../../pipeline/stages.ts';
import { Health } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics } from '../../telemetry/metrics.ts';
import { type LossCount, registerProcessMetrics } from '../../telemetry/process-metrics.ts';
import { createTelemetryServer } from '../../telemetry/server.ts';
import { countries } from '../assets.ts';
import { readHostFile } from '../capabilities.ts';
import { exposeCollection, keepMemorySmall } from '../daemon/memory.ts';
import { profileServer } from '../daemon/telemetry.ts';
import { cacheFeed, type MakeFeed } from './cache.ts';
import { type Configuration, Reloads } from './configuration.ts';
import { FILE_KEYS, PART_FLAGS, type ProcessorConfig } from './options.ts';

export interface ProcessorDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly stdout: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stderr: LossCount;
}

/** A processor, connected but not started. */
export interface ProcessorHost {
  /** In start order. */
  readonly components: readonly Component[];
  readonly health: Health;
  readonly pipeline: Pipeline;
}

/** Compiles the pipeline of a configuration, with its servers. */
export async function createProcessor(
  config: ProcessorConfig,
  deps: ProcessorDeps & { readonly native: Native; readonly configuration: Configuration },
): Promise<ProcessorHost> {
  const { log, clock, native, configuration } = deps;
  const feed = config.k8scachePort === 0 ? undefined : await cacheFeed(config);
  const { pipeline, metrics } = compileFile(configuration.document, deps, feed);
  const { suppressDefaultMetrics, disableGlobalServer } = pipeline.metricsSettings;
  const own = createMetrics('', metrics.registry);
  if (!suppressDefaultMetrics) registerProcessMetrics(own, deps.stderr);
  const health = new Health();
  const shared = { log, metrics, health, counts: own };
  const servers = [
    ...(disableGlobalServer
      ? []
      : [createTelemetryServer(serverConfig(pipeline.metricsSettings), shared)]),
    ...(config.healthAddr === ''
      ? []
      : [
          createTelemetryServer(
            { address: config.healthAddr.host, port: config.healthAddr.port },
            shared,
          ),
        ]),
    ...(await profileServer(config, { log, clock, counts: own })),
  ];
  const trimming = keepMemorySmall({ native, log, clock, exposeCollection, read: readHostFile });
  return {
    components: [
      ...servers,
      watched(pipeline, health),
      new Reloads(configuration, {
        ...{ log, clock, counts: own },
        async reload(file) {
          await reload(pipeline, file, log);
          watchCluster(pipeline, health);
        },
      }),
      trimming,
    ],
    health,
    pipeline,
  };
}

async function reload(pipeline: Pipeline, file: ConfigDocument, log: Log): Promise<void> {
  const config = configOf(file, log);
  try {
    await pipeline.reload(config);
  } catch (error) {
    throw placed(file, error);
  }
}

/** The pipeline of a file; throws every mistake, each with its place. */
export function compileFile(
  file: ConfigDocument,
  { log, clock, stdout, env }: ProcessorDeps,
  feed?: MakeFeed,
) {
  const config = configOf(file, log);
  const metrics = createMetrics(config.metricsSettings?.prefix ?? '');
  const pipeline = withPlaces(file, () => {
    const compiled = compilePipeline(config, {
      ...{ log, clock, stdout, env, metrics, countries },
      tables: new TableSpace(),
      ...(feed === undefined
        ? {}
        : { cluster: () => clusterOf({ log, clock, metrics, env }, feed) }),
    });
    if (feed !== undefined && compiled.clusterState === undefined) {
      log.warn('no stage names objects of Kubernetes: --k8scache-port has no effect');
    }
    if (!compiled.isFed) return compiled;
    const problem = `"${PRESET_INGESTER}" is an agent's: begin with an ingest stage`;
    throw configError(PIPELINE_ERRORS.noInput, 'pipeline', problem);
  });
  return { pipeline, metrics };
}

function configOf(file: ConfigDocument, log: Log): PipelineConfig {
  const { config, programKeys } = checkFile(file, STAGE_TYPES);
  for (const key of programKeys) {
    const isRead = Object.keys(FILE_KEYS).some((one) => one === key || one.startsWith(`${key}.`));
    if (!isRead && !isPart(key)) log.warn({ key }, 'this key of the file has no effect');
  }
  return config;
}

function clusterOf(deps: Omit<ClusterDeps, 'random' | 'feed'>, feed: MakeFeed): Cluster {
  const whole = { ...deps, random: systemRandom };
  return new Cluster({ ...whole, feed: feed(whole) });
}

function isPart(key: string): boolean {
  return (PART_FLAGS as readonly string[]).includes(key);
}

/** From when a stage needs the cluster on: it may be added by a reload. */
function watchCluster({ clusterState }: Pipeline, health: Health): void {
  if (clusterState !== undefined) health.addReady('kubernetes', clusterState);
}

/** Ready while the pipeline runs and its sources can read. */
function watched(pipeline: Pipeline, health: Health): Component {
  watchCluster(pipeline, health);
  let state = 'the pipeline has not started';
  health.addReady('pipeline', () => {
    const reason = state === '' ? pipeline.troubles().join('; ') : state;
    return reason === '' ? { ok: true } : { ok: false, reason };
  });
  return {
    failed: pipeline.failed,
    async start(signal) {
      await pipeline.start(signal);
      state = '';
      pipeline.ended?.then(
        () => {
          state = 'the input has ended';
        },
        () => {
          state = 'the input cannot be read any more';
        },
      );
    },
    async stop() {
      state = 'the pipeline stops';
      await pipeline.stop();
    },
  };
}
