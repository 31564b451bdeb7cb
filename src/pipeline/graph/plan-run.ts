import type { Clock } from '../../base/clock.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { Log } from '../../telemetry/log.ts';
import type { PipelineMetrics } from '../metrics.ts';
import type { Extractor, Source, Transform } from '../stage.ts';
import { Branch } from './branch.ts';
import type { Plan, PlanNode } from './compile.ts';
import { Graph } from './graph.ts';
import type { Inlet } from './inlet.ts';
import { planText } from './plan-text.ts';

export interface PlanRunDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly tables: TableSpace;
  readonly pipelineMetrics: PipelineMetrics;
}

/** A plan with its branches and timers. It shares the parts that the plan before it has, too. */
export class PlanRun {
  readonly plan: Plan;
  readonly sources: readonly Source[];
  /** Once each, in the order of the plan. */
  readonly transforms: readonly Transform[];
  readonly branches: readonly Branch[];
  readonly #clock: Clock;
  readonly #graph: Graph;
  readonly #branchOf: ReadonlyMap<PlanNode, Branch>;
  readonly #extractors: readonly Extractor[];
  readonly #timers = new Map<Extractor, Disposable>();

  constructor(plan: Plan, deps: PlanRunDeps, before?: PlanRun) {
    this.plan = plan;
    const { clock, log, tables, pipelineMetrics: metrics } = deps;
    this.#clock = clock;
    this.#branchOf = new Map(
      plan.sinks.map((node) => [
        node,
        before?.branches.find(({ sink }) => sink === node.sink) ??
          new Branch(node.name, node.sink!, { whenFull: node.whenFull }, { log, metrics }),
      ]),
    );
    this.branches = [...this.#branchOf.values()];
    this.#graph = new Graph(plan.entries, { clock, tables, metrics, branchOf: this.#branchOf });
    this.transforms = [...transformsOf(plan)];
    this.sources = plan.entries.flatMap(({ from }) => (from?.kind === 'source' ? [from] : []));
    this.#extractors = plan.entries.flatMap(({ from }) =>
      from?.kind === 'extractor' ? [from] : [],
    );
  }

  /** Undefined: the inlet of `Pipeline.emit`. */
  inletOf(source: Source | undefined): Inlet | undefined {
    return this.#graph.inletOf(source);
  }

  text(): string {
    return planText(this.plan, this.#branchOf);
  }

  /** Timers of extractors that the plan before has, too, end there and begin here. */
  startTimers(before?: PlanRun): void {
    for (const extractor of this.#extractors) {
      before?.stopTimer(extractor);
      const { tickMs, tick } = extractor;
      if (tickMs === undefined || tick === undefined) continue;
      const inlet = this.#graph.inletOf(extractor)!;
      const timer = this.#clock.every(tickMs, () => tick.call(extractor, inlet));
      this.#timers.set(extractor, timer);
    }
  }

  stopTimer(extractor: Extractor): void {
    this.#timers.get(extractor)?.[Symbol.dispose]();
    this.#timers.delete(extractor);
  }

  stopTimers(): void {
    for (const extractor of this.#extractors) this.stopTimer(extractor);
  }

  /** Extractors that the next plan does not have emit their remaining flows. */
  flush(next?: PlanRun): void {
    const staying = new Set(next === undefined ? [] : next.#extractors);
    for (const extractor of this.#extractors) {
      if (staying.has(extractor)) continue;
      this.stopTimer(extractor);
      extractor.flush?.(this.#graph.inletOf(extractor)!);
    }
  }
}

function transformsOf({ entries }: Plan): ReadonlySet<Transform> {
  const found = new Set<Transform>();
  const walk = ({ transforms, children }: PlanNode): void => {
    for (const transform of transforms) found.add(transform);
    for (const child of children) walk(child);
  };
  for (const { node } of entries) walk(node);
  return found;
}
