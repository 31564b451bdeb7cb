import type { Agent } from '../../agent/agent.ts';
import { exportOptionWarnings } from '../../agent/check.ts';
import { fieldsOf } from '../../agent/features/table.ts';
import type { Native } from '../../agent/loader/native.ts';
import { createAgent } from '../../agent/root.ts';
import type { Clock } from '../../base/clock.ts';
import type { Component } from '../../base/component.ts';
import type { SubscribeRows } from '../../console/server/live.ts';
import type { Console } from '../../console/server/root.ts';
import { agentColumns } from '../../flow/agent-columns.ts';
import type { Feature } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import { TableSpace } from '../../flow/intern.ts';
import { defaultPipeline } from '../../pipeline/defaults.ts';
import type { PipelineConfig } from '../../pipeline/options/graph.ts';
import { compilePipeline } from '../../pipeline/pipeline.ts';
import { DUCKDB_DEFAULTS } from '../../store/duckdb/config.ts';
import { createDuckdbStore, type DuckdbStore } from '../../store/duckdb/root.ts';
import { Health } from '../../telemetry/health.ts';
import type { Log } from '../../telemetry/log.ts';
import { createMetrics, type Metrics } from '../../telemetry/metrics.ts';
import { type LossCount, registerProcessMetrics } from '../../telemetry/process-metrics.ts';
import { bpfObject, countries, keepUnpacked } from '../assets.ts';
import { readHostFile } from '../capabilities.ts';
import { watchHealth } from '../capture/health.ts';
import { givePrivilegesUp } from '../capture/privileges.ts';
import { droppedRows } from '../daemon/ends.ts';
import { exposeCollection, keepMemorySmall } from '../daemon/memory.ts';
import { metricsServer, profileServer } from '../daemon/telemetry.ts';
import { createHostConsole } from './console/host-console.ts';
import { withLiveFeed } from './live.ts';
import type { UpConfig } from './options.ts';
import { guardOf, protectionOf, UNREPORTED, warnOfReaders } from './protection.ts';

export interface UpHostDeps {
  readonly log: Log;
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Undefined keeps flows in memory. */
  readonly dataDir: string | undefined;
  /** Path of the console's token file; undefined: anybody who can reach the console may use it. */
  readonly tokenPath: string | undefined;
  readonly stderr: LossCount & Pick<NodeJS.WritableStream, 'write'>;
  readonly native: Native;
}

/** The parts of one host, connected but not started; `components` are in start order. */
export interface Host {
  readonly components: readonly Component[];
  readonly health: Health;
  readonly agent: Agent;
  readonly console: Console;
  readonly subscribe: SubscribeRows;
  /** Rows not kept, so far. */
  lostFlows(): number;
}

/** Prefix of metrics made from flows, as `network-observability-operator` configures it. */
const FLOW_METRICS_PREFIX = 'netobserv_';
const STORE = 'duckdb';
function pipelineConfig(config: UpConfig, features: ReadonlySet<Feature>): PipelineConfig {
  const { netflow, sflow, exporters, networks, geoCityFile, geoAsnFile } = config;
  const names = { networks, hostNetworks: true };
  const geo = { cities: geoCityFile, systems: geoAsnFile };
  const inlets = { netflow, sflow, exporters };
  const shared = { store: STORE, prefix: FLOW_METRICS_PREFIX, features, geo };
  return defaultPipeline({ ...shared, ...inlets, ...names });
}

/** Features filled by the pipeline in addition to the agent's. */
function pipelineFeatures({ geoCountries, geoCityFile, geoAsnFile }: UpConfig): Feature[] {
  const features: Feature[] = ['subnetLabels'];
  if (geoCountries || geoCityFile !== '') features.push('location');
  if (geoCityFile !== '') features.push('city');
  if (geoAsnFile !== '') features.push('asn');
  return features;
}

/** Gates of the fields that are filled besides the agent's. */
function gatesOf(config: UpConfig): readonly Feature[] {
  const { netflow, sflow } = config;
  const features = pipelineFeatures(config);
  if (netflow === '' && sflow === '') return features;
  // Headers of tunnels are in the packets that sFlow samples.
  return [...features, 'netflow', ...(sflow === '' ? [] : (['tunnels'] as const))];
}

/** Names of the fields that may have values. */
function storedFields(config: UpConfig): readonly string[] {
  const on = new Set([...gatesOf(config), ...fieldsOf(config)]);
  const filled = FIELDS.filter(({ feature }) => feature === undefined || on.has(feature));
  return filled.map(({ name }) => name);
}

/**
 * Connects agent, pipeline, store and console in one process. Batches go from the kernel's maps to
 * the store without being encoded in between.
 */
export async function createHost(config: UpConfig, deps: UpHostDeps): Promise<Host> {
  const { log, clock, native } = deps;
  for (const warning of exportOptionWarnings(config)) log.warn(warning);
  const ours = createMetrics(FLOW_METRICS_PREFIX);
  registerProcessMetrics(createMetrics('', ours.registry), deps.stderr);
  const tables = new TableSpace();
  const shared = { log, clock, tables, metrics: ours };

  const flows = createStore(config, deps, ours, tables);
  const { store, subscribe } = withLiveFeed(flows, storedFields(config));
  const features = new Set([...pipelineFeatures(config), ...fieldsOf(config)]);
  const pipeline = compilePipeline(pipelineConfig(config, features), {
    ...shared,
    ...{ source: agentColumns(features), stores: { [STORE]: store }, countries },
  });
  const agent = createAgent(config, {
    ...shared,
    metrics: createMetrics(config.metricsPrefix, ours.registry),
    native,
    object: bpfObject(),
    isInteractive: true,
    takesEmptyFlows: true,
    take: () => pipeline.take(),
    emit: (batch) => pipeline.emit(batch),
  });
  const health = new Health();
  watchHealth(health, agent);
  health.addReady('store', () => flows.readiness());
  // For the servers beside the console, and to report a bad configuration before hooks attach.
  const protection = protectionOf({ ...config, tokenPath: deps.tokenPath }, () => UNREPORTED);
  warnOfReaders(deps.tokenPath, log);
  const parts = { metrics: ours, store, health, agent, pipeline, subscribe };
  const console = createHostConsole(config, deps, { ...parts, gates: gatesOf(config) });
  health.addReady('console', () => console.readiness());
  const trimming = keepMemorySmall({
    native,
    log,
    clock,
    exposeCollection,
    read: readHostFile,
  });
  // Last: starting the components before it takes more privileges than running does.
  const giving = givePrivilegesUp({ native, agent, log, dataDir: deps.dataDir });
  // The agent's own server; the console serves the same metrics to authorized clients.
  const guarded = { log, counts: ours, ...guardOf(protection, config.listen, clock) };
  const telemetry = [
    ...(await metricsServer(config, { ...guarded, metrics: ours, health })),
    ...(await profileServer(config, { ...guarded, clock })),
  ];
  return {
    components: [
      store,
      pipeline,
      ...telemetry,
      agent,
      // After the agent: the columns depend on what the kernel allowed.
      console,
      giving,
      trimming,
      keepUnpacked(deps.env, clock),
    ],
    health,
    agent,
    console,
    subscribe,
    lostFlows: () => droppedRows(pipeline),
  };
}

function createStore(
  config: UpConfig,
  { log, clock, dataDir }: UpHostDeps,
  metrics: Metrics,
  tables: TableSpace,
): DuckdbStore {
  return createDuckdbStore(
    {
      ...DUCKDB_DEFAULTS,
      dataDir,
      retentionMs: config.retentionMs,
      sizeLimitBytes: config.storeSizeBytes,
      memoryLimitBytes: config.storeMemoryBytes,
    },
    { log, clock, metrics, tables },
  );
}
