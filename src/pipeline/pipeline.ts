import { readFileSync } from 'node:fs';
import { assertExists } from '../base/assert.ts';
import { systemRandom } from '../base/clock.ts';
import type { Component } from '../base/component.ts';
import { explain, hasCode } from '../base/errors.ts';
import { agentColumns } from '../flow/agent-columns.ts';
import type { BatchLayout, ColumnSpec, FlowBatch } from '../flow/batch.ts';
import { FIELDS } from '../flow/fields.ts';
import { Cluster } from '../kube/cluster.ts';
import type { HealthState } from '../telemetry/health.ts';
import { checkConfig } from './config.ts';
import { Branch, type BranchStatus } from './graph/branch.ts';
import { CoalescingInlet } from './graph/coalesce.ts';
import { compile, type FieldFacts, type Plan, type PlanNode } from './graph/compile.ts';
import { Graph } from './graph/graph.ts';
import type { Inlet } from './graph/inlet.ts';
import { planText } from './graph/plan-text.ts';
import type { BatchOutcome } from './graph/pool.ts';
import { createPipelineMetrics, type PipelineMetrics } from './metrics.ts';
import type { MetricsSettings, PipelineConfig } from './options/graph.ts';
import type { Extractor, Source, StageDeps, StageType, Transform } from './stage.ts';
import { STAGE_TYPES } from './stages.ts';

/** How long `stop` lets sinks work on queued rows. */
export const DRAIN_DEADLINE_MS = 10_000;

export interface PipelineDeps extends StageDeps {
  /**
   * Columns that the in-process source can fill; default: all columns of an agent. See
   * `agentColumns`.
   */
  readonly source?: readonly ColumnSpec[];
  readonly drainDeadlineMs?: number;
  /** Default: all types. */
  readonly types?: readonly StageType[];
}

/**
 * A compiled graph. As an inlet it is the in-process source: batches for `preset-ingester` and
 * stages of the type `ingest: preset`.
 */
export interface Pipeline extends Component, Inlet {
  readonly metricsSettings: MetricsSettings;
  /** The program must feed it by `emit`: a stage follows `preset-ingester`. */
  readonly isFed: boolean;
  /** Resolves when all sources are at their end; undefined if one of them has none. */
  readonly ended: Promise<void> | undefined;
  /** Why sources read nothing at the moment, each with its name. */
  troubles(): readonly string[];
  /** Whether Kubernetes can be read; undefined if no stage needs it. */
  readonly clusterState: (() => HealthState) | undefined;
  plan(): string;
  branches(): readonly BranchStatus[];
}

/** Compiles a configuration; throws a coded error that names the place in it. */
export function compilePipeline(config: PipelineConfig, deps: PipelineDeps): Pipeline {
  const checked = checkConfig(config, deps.types ?? STAGE_TYPES);
  const metrics = createPipelineMetrics(deps.metrics);
  let cluster: Cluster | undefined;
  const stageDeps = {
    ...deps,
    readText: deps.readText ?? readTextFile,
    pipelineMetrics: metrics,
    cluster: () => {
      cluster ??= deps.cluster?.() ?? new Cluster({ ...deps, random: deps.random ?? systemRandom });
      return cluster;
    },
  };
  const facts: FieldFacts = {
    source: deps.source ?? agentColumns(),
    kinds: new Map(FIELDS.map(({ name, kind }) => [name, kind])),
  };
  const plan = compile(checked, facts, stageDeps);
  return new CompiledPipeline(plan, checked.metricsSettings, metrics, { ...deps, cluster });
}

/** All transforms that run, once each. */
function transformsOf({ entries }: Plan): ReadonlySet<Transform> {
  const found = new Set<Transform>();
  const walk = ({ transforms, children }: PlanNode): void => {
    for (const transform of transforms) found.add(transform);
    for (const child of children) walk(child);
  };
  for (const { node } of entries) walk(node);
  return found;
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** `cluster` is undefined if no stage needs it. */
type RunDeps = Omit<PipelineDeps, 'cluster'> & { readonly cluster: Cluster | undefined };

class CompiledPipeline implements Pipeline {
  readonly metricsSettings: MetricsSettings;
  readonly #plan: Plan;
  readonly #deps: RunDeps;
  readonly #graph: Graph;
  readonly #branchOf: ReadonlyMap<PlanNode, Branch>;
  /** The inlet of `emit`; undefined if all sources of the pipeline are stages. */
  readonly #inlet: Inlet | undefined;
  #timers: readonly Disposable[] = [];
  readonly #coalescing: CoalescingInlet[] = [];

  constructor(
    plan: Plan,
    metricsSettings: MetricsSettings,
    metrics: PipelineMetrics,
    deps: RunDeps,
  ) {
    this.metricsSettings = metricsSettings;
    this.#plan = plan;
    this.#deps = deps;
    const branchDeps = { log: deps.log, metrics };
    this.#branchOf = new Map(
      plan.sinks.map((node) => [
        node,
        new Branch(node.name, node.sink!, { whenFull: node.whenFull }, branchDeps),
      ]),
    );
    const { clock, tables } = deps;
    this.#graph = new Graph(plan.entries, { clock, tables, metrics, branchOf: this.#branchOf });
    this.#inlet = this.#graph.inletOf(undefined);
  }

  get isFed(): boolean {
    return this.#inlet !== undefined;
  }

  get clusterState(): (() => HealthState) | undefined {
    const { cluster } = this.#deps;
    return cluster && (() => cluster.state());
  }

  get ended(): Promise<void> | undefined {
    const ends = this.#sources().map(({ ended }) => ended);
    if (this.isFed || ends.includes(undefined)) return undefined;
    return Promise.all(ends).then(() => undefined);
  }

  get layout(): BatchLayout {
    return this.#own.layout;
  }

  get decoded(): readonly string[] {
    return this.#own.decoded;
  }

  /** Sinks first, so that flows have a destination; then names; sources last. */
  async start(signal: AbortSignal): Promise<void> {
    for (const branch of this.#branchOf.values()) await branch.start(signal);
    await this.#deps.cluster?.start(signal);
    for (const transform of transformsOf(this.#plan)) await transform.start?.();
    this.#timers = this.#extractors().flatMap(({ extractor, inlet }) => {
      const { tickMs, tick } = extractor;
      if (tickMs === undefined || tick === undefined) return [];
      return [this.#deps.clock.every(tickMs, () => tick.call(extractor, inlet))];
    });
    for (const { from } of this.#plan.entries) {
      if (from?.kind === 'source') await from.start(this.#inletFor(from), signal);
    }
  }

  take(): FlowBatch {
    return this.#own.take();
  }

  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean {
    return this.#own.emit(batch, onSettled);
  }

  recycle(batch: FlowBatch): void {
    this.#own.recycle(batch);
  }

  whenReady(): Promise<void> | undefined {
    return this.#own.whenReady();
  }

  troubles(): readonly string[] {
    return this.#sources().flatMap((source) => {
      const trouble = source.trouble?.();
      return trouble === undefined ? [] : [`${source.name}: ${trouble}`];
    });
  }

  plan(): string {
    return planText(this.#plan, this.#branchOf);
  }

  branches(): readonly BranchStatus[] {
    return [...this.#branchOf.values()].map((branch) => branch.status());
  }

  /** Sources stop, extractors emit their remaining flows, and sinks finish their queues. */
  async stop(): Promise<void> {
    const limitMs = this.#deps.drainDeadlineMs ?? DRAIN_DEADLINE_MS;
    const deadline = new AbortController();
    // Rejects when it is not needed any more.
    const late = this.#deps.clock.sleep(limitMs, deadline.signal).catch(() => undefined);
    await Promise.race([this.#drain(), late]);
    deadline.abort();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    // Before the rest is given up: a source must not acknowledge what ends unwritten.
    await this.#ofSources((source) => source.close?.());
    await this.#deps.cluster?.stop();
    for (const branch of this.#branchOf.values()) {
      const rows = await branch.stop();
      if (rows === 0) continue;
      this.#deps.log.error(
        { component: 'pipeline', branch: branch.name, rows },
        'flows were not written before the deadline',
      );
    }
  }

  async #drain(): Promise<void> {
    await this.#ofSources((source) => source.stop());
    for (const inlet of this.#coalescing) inlet.flush();
    for (const { extractor, inlet } of this.#extractors()) extractor.flush?.(inlet);
    await Promise.all([...this.#branchOf.values()].map((branch) => branch.drain()));
  }

  async #ofSources(stop: (source: Source) => Promise<void> | undefined): Promise<void> {
    await Promise.all(
      this.#sources().map(async (source) => {
        try {
          await stop(source);
        } catch (error) {
          const fields = { component: 'pipeline', source: source.name, error: explain(error) };
          this.#deps.log.error(fields, 'source could not stop');
        }
      }),
    );
  }

  #sources(): readonly Source[] {
    return this.#plan.entries.flatMap(({ from }) => (from?.kind === 'source' ? [from] : []));
  }

  #inletFor(source: Source): Inlet {
    const inlet = this.#graph.inletOf(source)!;
    if (source.coalesceMs === undefined) return inlet;
    const coalescing = new CoalescingInlet(inlet, source.coalesceMs, this.#deps.clock);
    this.#coalescing.push(coalescing);
    return coalescing;
  }

  #extractors(): readonly { readonly extractor: Extractor; readonly inlet: Inlet }[] {
    return this.#plan.entries.flatMap(({ from }) =>
      from?.kind === 'extractor' ? [{ extractor: from, inlet: this.#graph.inletOf(from)! }] : [],
    );
  }

  get #own(): Inlet {
    return assertExists(this.#inlet, 'the pipeline has a source that is not a stage');
  }
}
