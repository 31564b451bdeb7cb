import { readFileSync } from 'node:fs';
import type { Component } from '../base/component.ts';
import { hasCode } from '../base/errors.ts';
import { agentColumns } from '../flow/agent-columns.ts';
import type { BatchLayout, ColumnSpec, FlowBatch } from '../flow/batch.ts';
import { FIELDS } from '../flow/fields.ts';
import { checkConfig, type MetricsSettings, type PipelineConfig } from './config.ts';
import { Branch, type BranchStatus } from './graph/branch.ts';
import { compile, type FieldFacts, type Plan, type PlanNode } from './graph/compile.ts';
import { planText } from './graph/plan-text.ts';
import { BatchLease, type BatchOutcome, BatchPool } from './graph/pool.ts';
import { createPipelineMetrics, type PipelineMetrics } from './metrics.ts';
import type { StageDeps } from './stage.ts';
import { STAGE_TYPES } from './stages.ts';

/** How long `stop` lets sinks work off what is queued. */
export const DRAIN_DEADLINE_MS = 10_000;

export interface PipelineDeps extends StageDeps {
  /** What the in-process source can fill; default: all that an agent can. See `agentColumns`. */
  readonly source?: readonly ColumnSpec[];
  readonly drainDeadlineMs?: number;
}

export interface Pipeline extends Component {
  /** The columns that a batch for `emit` has; a source fills those that it knows. */
  readonly layout: BatchLayout;
  /** Which of them the source should fill: the others are made by stages. */
  readonly decoded: readonly string[];
  readonly metricsSettings: MetricsSettings;
  /** An empty batch of `layout` in the current generation of the intern tables. */
  take(): FlowBatch;
  /**
   * Runs the batch through the graph; it belongs to the pipeline from now on, and may be handed
   * out by `take` again. False: every branch dropped it, which is counted by branch and reason.
   * `onSettled` is called once, when each branch has written or lost its rows.
   */
  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean;
  /** For sources that can wait: resolves when no blocking branch is full. Undefined: go on. */
  whenReady(): Promise<void> | undefined;
  plan(): string;
  branches(): readonly BranchStatus[];
}

/** Compiles a configuration; throws a coded error that names the place in it. */
export function compilePipeline(config: PipelineConfig, deps: PipelineDeps): Pipeline {
  const checked = checkConfig(config, STAGE_TYPES);
  const stageDeps = { ...deps, readText: deps.readText ?? readTextFile };
  const facts: FieldFacts = {
    source: deps.source ?? agentColumns(),
    kinds: new Map(FIELDS.map(({ name, kind }) => [name, kind])),
  };
  const plan = compile(checked, facts, stageDeps);
  return new CompiledPipeline(plan, checked.metricsSettings, deps);
}

function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

class CompiledPipeline implements Pipeline {
  readonly layout: BatchLayout;
  readonly decoded: readonly string[];
  readonly metricsSettings: MetricsSettings;
  readonly #plan: Plan;
  readonly #deps: PipelineDeps;
  readonly #metrics: PipelineMetrics;
  readonly #pool: BatchPool;
  readonly #branches: readonly Branch[];
  #rebuilds = 0;
  readonly #branchOf: ReadonlyMap<PlanNode, Branch>;

  constructor(plan: Plan, metricsSettings: MetricsSettings, deps: PipelineDeps) {
    this.layout = plan.source.layout;
    this.decoded = plan.decoded;
    this.metricsSettings = metricsSettings;
    this.#plan = plan;
    this.#deps = deps;
    this.#metrics = createPipelineMetrics(deps.metrics);
    this.#pool = new BatchPool(this.layout);
    const branchDeps = { log: deps.log, metrics: this.#metrics };
    this.#branchOf = new Map(
      plan.sinks.map((node) => [
        node,
        new Branch(node.name, node.sink!, { whenFull: node.whenFull }, branchDeps),
      ]),
    );
    this.#branches = [...this.#branchOf.values()];
  }

  async start(signal: AbortSignal): Promise<void> {
    for (const branch of this.#branches) await branch.start(signal);
  }

  take(): FlowBatch {
    const { tables } = this.#deps;
    tables.rotateIfFull();
    return this.#pool.take(tables.current);
  }

  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean {
    this.#countRebuilds();
    // A batch that was not taken from the pool may lack columns that stages make.
    const known = batch.layout === this.layout;
    const own = known ? batch : batch.fork(this.layout, this.#plan.source.written);
    const lease = new BatchLease(batch, this.#pool, onSettled);
    const taken = this.#run(this.#plan.source, own, batch.length, lease);
    lease.offered();
    return taken;
  }

  whenReady(): Promise<void> | undefined {
    const waits = this.#branches
      .map((branch) => branch.whenRoom())
      .filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  plan(): string {
    return planText(this.#plan, this.#branches);
  }

  branches(): readonly BranchStatus[] {
    return this.#branches.map((branch) => branch.status());
  }

  async stop(): Promise<void> {
    const deadline = new AbortController();
    const drained = Promise.all(this.#branches.map((branch) => branch.drain()));
    const limitMs = this.#deps.drainDeadlineMs ?? DRAIN_DEADLINE_MS;
    // Rejects when it is not needed any more.
    const late = this.#deps.clock.sleep(limitMs, deadline.signal).catch(() => undefined);
    await Promise.race([drained, late]);
    deadline.abort();
    for (const branch of this.#branches) {
      const rows = await branch.stop();
      if (rows === 0) continue;
      this.#deps.log.error(
        { component: 'pipeline', branch: branch.name, rows },
        'flows were not written before the deadline',
      );
    }
  }

  /** True when a branch below took it, or filtered all of it out. */
  #run(node: PlanNode, batch: FlowBatch, arrived: number, lease: BatchLease): boolean {
    const branch = this.#branchOf.get(node);
    if (branch !== undefined) return branch.accept(batch, arrived, lease);
    if (node.transforms.length > 0) this.#transform(node, batch);
    let taken = false;
    for (const child of node.children) {
      if (batch.selected === 0) taken = this.#skip(child, arrived) || taken;
      else {
        const shared = node.children.length > 1 && child.modifies;
        const view = shared ? batch.fork(child.layout, child.written) : batch;
        taken = this.#run(child, view, arrived, lease) || taken;
      }
    }
    return taken;
  }

  /** The tables are begun anew by whoever fills batches, which need not be `take`. */
  #countRebuilds(): void {
    const { rebuilds } = this.#deps.tables;
    this.#metrics.internRebuilt(rebuilds - this.#rebuilds);
    this.#rebuilds = rebuilds;
  }

  #transform(node: PlanNode, batch: FlowBatch): void {
    const { clock } = this.#deps;
    const startMs = clock.monotonicMs();
    for (const transform of node.transforms) transform.apply(batch);
    this.#metrics.stage(node.name, (clock.monotonicMs() - startMs) / 1000);
  }

  #skip(node: PlanNode, arrived: number): boolean {
    this.#branchOf.get(node)?.skip(arrived);
    for (const child of node.children) this.#skip(child, arrived);
    return true;
  }
}
