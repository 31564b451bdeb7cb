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
import type { Branch, BranchStatus } from './graph/branch.ts';
import { compile, type FieldFacts, type Plan } from './graph/compile.ts';
import { Entrances } from './graph/entrances.ts';
import type { Inlet } from './graph/inlet.ts';
import { PlanRun } from './graph/plan-run.ts';
import type { BatchOutcome } from './graph/pool.ts';
import { createPipelineMetrics, type PipelineMetrics } from './metrics.ts';
import type { MetricsSettings, PipelineConfig } from './options/graph.ts';
import type { Source, StageDeps, StageType, Transform } from './stage.ts';
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
  readonly failed: Promise<never>;
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
  /**
   * Goes over to another configuration between two batches. Stages whose options and columns stay
   * the same go on with their state and connections; the others begin anew, and metrics keep the
   * series that both configurations have. Rejects with a coded error that names the place, and then
   * the pipeline goes on as before. Resolves when the parts that are gone have ended; a new source
   * that cannot start makes the pipeline fail. `metricsSettings` stays as it is.
   */
  reload(config: PipelineConfig): Promise<void>;
}

/** Compiles a configuration; throws a coded error that names the place in it. */
export function compilePipeline(config: PipelineConfig, deps: PipelineDeps): Pipeline {
  const types = deps.types ?? STAGE_TYPES;
  const checked = checkConfig(config, types);
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
  return new CompiledPipeline(compile(checked, facts, stageDeps), {
    ...deps,
    pipelineMetrics: metrics,
    metricsSettings: checked.metricsSettings,
    cluster: () => cluster,
    compile: (next, earlier) => compile(checkConfig(next, types), facts, stageDeps, earlier),
  });
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

interface RunDeps extends Omit<PipelineDeps, 'cluster'> {
  readonly pipelineMetrics: PipelineMetrics;
  readonly metricsSettings: MetricsSettings;
  /** Undefined while no stage needs it. */
  cluster(): Cluster | undefined;
  compile(config: PipelineConfig, earlier: Plan): Plan;
}

class CompiledPipeline implements Pipeline {
  readonly metricsSettings: MetricsSettings;
  readonly #deps: RunDeps;
  readonly #entrances: Entrances;
  #run: PlanRun;
  /** Sums of the branches that reloads have ended, by name. */
  readonly #gone = new Map<string, BranchStatus>();
  readonly #leaving = new Set<Branch>();
  readonly #started = new WeakSet<Transform>();
  readonly #failed = Promise.withResolvers<never>();
  #signal: AbortSignal | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(plan: Plan, deps: RunDeps) {
    this.metricsSettings = deps.metricsSettings;
    this.#deps = deps;
    this.#run = new PlanRun(plan, deps);
    this.#entrances = new Entrances(this.#run, deps.clock);
    // A pipeline that nobody watches must not end the process by its failure.
    this.#failed.promise.catch(() => undefined);
  }

  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  get isFed(): boolean {
    return this.#entrances.own !== undefined;
  }

  get clusterState(): (() => HealthState) | undefined {
    const cluster = this.#deps.cluster();
    return cluster && (() => cluster.state());
  }

  get ended(): Promise<void> | undefined {
    const ends = this.#run.sources.map(({ ended }) => ended);
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
    this.#signal = signal;
    for (const branch of this.#run.branches) await branch.start(signal);
    await this.#deps.cluster()?.start(signal);
    await this.#startTransforms(this.#run);
    this.#run.startTimers();
    for (const source of this.#run.sources) await this.#entrances.start(source, signal);
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
    return this.#run.sources.flatMap((source) => {
      const trouble = source.trouble?.();
      return trouble === undefined ? [] : [`${source.name}: ${trouble}`];
    });
  }

  plan(): string {
    return this.#run.text();
  }

  branches(): readonly BranchStatus[] {
    const sums = new Map<string, BranchStatus>();
    const running = [...this.#run.branches, ...this.#leaving].map((branch) => branch.status());
    for (const status of [...running, ...this.#gone.values()]) {
      sums.set(status.name, joined(status, sums.get(status.name)));
    }
    return [...sums.values()];
  }

  /** One after the other: each begins with what the one before it left. */
  reload(config: PipelineConfig): Promise<void> {
    const reloading = this.#reloading.then(() => this.#reload(config));
    this.#reloading = reloading.catch(() => undefined);
    return reloading;
  }

  async #reload(config: PipelineConfig): Promise<void> {
    const signal = assertExists(this.#signal, 'only a pipeline that runs is reloaded');
    const before = this.#run;
    const next = new PlanRun(this.#deps.compile(config, before.plan), this.#deps, before);
    const added = next.branches.filter((branch) => !before.branches.includes(branch));
    await this.#prepare(next, added, signal);
    if (signal.aborted) {
      for (const branch of added) await branch.stop();
      return;
    }
    // From here to `#leave` nothing waits: each batch runs through one of the two plans.
    for (const branch of added) branch.takeOver();
    this.#run = next;
    this.#entrances.switchTo(next);
    next.startTimers(before);
    const leaving = this.#leave(before, next);
    const sources = next.sources.filter((source) => !before.sources.includes(source));
    // A source that replaces another needs its port, or its place in a group.
    if (sources.length > 0) await leaving;
    try {
      for (const source of sources) await this.#entrances.start(source, signal);
    } catch (error) {
      this.#failed.reject(error);
    }
    await leaving;
  }

  /** Starts what is new; if that fails, ends it again, and the plan before goes on. */
  async #prepare(next: PlanRun, added: readonly Branch[], signal: AbortSignal): Promise<void> {
    try {
      for (const branch of added) await branch.start(signal);
      await this.#deps.cluster()?.start(signal);
      await this.#startTransforms(next);
    } catch (error) {
      for (const branch of added) await branch.stop();
      throw error;
    }
  }

  async #startTransforms({ transforms }: PlanRun): Promise<void> {
    for (const transform of transforms) {
      if (this.#started.has(transform)) continue;
      await transform.start?.();
      this.#started.add(transform);
    }
  }

  /** Ends the parts of a plan that the next one does not have. */
  async #leave(before: PlanRun, next: PlanRun): Promise<void> {
    const sources = before.sources.filter((source) => !next.sources.includes(source));
    const branches = before.branches.filter((branch) => !next.branches.includes(branch));
    for (const branch of branches) this.#leaving.add(branch);
    await this.#inTime(async () => {
      await this.#ofSources(sources, (source) => source.stop());
      await this.#entrances.settled();
      before.flush(next);
      await Promise.all(branches.map((branch) => branch.drain()));
    });
    await this.#ofSources(sources, (source) => source.close?.());
    for (const source of sources) this.#entrances.leave(source);
    await this.#stopBranches(branches);
    for (const branch of branches) {
      const status = branch.status();
      this.#leaving.delete(branch);
      this.#gone.set(branch.name, joined(status, this.#gone.get(branch.name)));
    }
  }

  /** Sources stop, extractors emit their remaining flows, and sinks finish their queues. */
  async stop(): Promise<void> {
    await this.#reloading;
    const { sources, branches } = this.#run;
    await this.#inTime(async () => {
      await this.#ofSources(sources, (source) => source.stop());
      this.#entrances.flush();
      this.#run.flush();
      await Promise.all(branches.map((branch) => branch.drain()));
    });
    this.#run.stopTimers();
    // Before the rest is given up: a source must not acknowledge what ends unwritten.
    await this.#ofSources(sources, (source) => source.close?.());
    await this.#deps.cluster()?.stop();
    await this.#stopBranches(branches);
  }

  async #stopBranches(branches: readonly Branch[]): Promise<void> {
    for (const branch of branches) {
      const rows = await branch.stop();
      if (rows === 0) continue;
      this.#deps.log.error(
        { component: 'pipeline', branch: branch.name, rows },
        'flows were not written before the deadline',
      );
    }
  }

  /** Waits for the end of work, or until the deadline. */
  async #inTime(work: () => Promise<void>): Promise<void> {
    const limitMs = this.#deps.drainDeadlineMs ?? DRAIN_DEADLINE_MS;
    const deadline = new AbortController();
    // Rejects when it is not needed any more.
    const late = this.#deps.clock.sleep(limitMs, deadline.signal).catch(() => undefined);
    await Promise.race([work(), late]);
    deadline.abort();
  }

  async #ofSources(
    sources: readonly Source[],
    stop: (source: Source) => Promise<void> | undefined,
  ): Promise<void> {
    await Promise.all(
      sources.map(async (source) => {
        try {
          await stop(source);
        } catch (error) {
          const fields = { component: 'pipeline', source: source.name, error: explain(error) };
          this.#deps.log.error(fields, 'source could not stop');
        }
      }),
    );
  }

  get #own(): Inlet {
    return assertExists(this.#entrances.own, 'the pipeline has a source that is not a stage');
  }
}

/** The sums of a branch and of those of its name that it has replaced. */
function joined(status: BranchStatus, earlier: BranchStatus | undefined): BranchStatus {
  if (earlier === undefined) return status;
  const dropped: Record<string, number> = { ...earlier.dropped };
  for (const [reason, rows] of Object.entries(status.dropped)) {
    dropped[reason] = (dropped[reason] ?? 0) + rows;
  }
  return {
    name: status.name,
    in: status.in + earlier.in,
    written: status.written + earlier.written,
    filtered: status.filtered + earlier.filtered,
    dropped,
    inFlight: status.inFlight + earlier.inFlight,
  };
}
