import type { Clock } from '../../base/clock.ts';
import { clearColumn, type FlowBatch } from '../../flow/batch.ts';
import type { TableSpace } from '../../flow/intern.ts';
import type { PipelineMetrics } from '../metrics.ts';
import type { Transform } from '../stage.ts';
import type { Branch } from './branch.ts';
import type { Entry, PlanNode } from './compile.ts';
import type { Inlet } from './inlet.ts';
import { BatchLease, type BatchOutcome, BatchPool, ForkPool } from './pool.ts';

export interface GraphDeps {
  readonly clock: Clock;
  readonly tables: TableSpace;
  readonly metrics: PipelineMetrics;
  readonly branchOf: ReadonlyMap<PlanNode, Branch>;
}

/** Runs batches through the plan, from any of its entries down to the branches. */
export class Graph {
  readonly #deps: GraphDeps;
  readonly #forks = new Map<PlanNode, ForkPool>();
  readonly #inlets: ReadonlyMap<Entry['from'], GraphInlet>;
  #rebuilds: number;

  constructor(entries: readonly Entry[], deps: GraphDeps) {
    this.#deps = deps;
    this.#rebuilds = deps.tables.rebuilds;
    this.#inlets = new Map(entries.map((entry) => [entry.from, new GraphInlet(this, entry, deps)]));
  }

  /** Undefined: the inlet of `Pipeline.emit`. */
  inletOf(from: Entry['from']): Inlet | undefined {
    return this.#inlets.get(from);
  }

  /** Branches below a node, including those behind extractors. */
  branchesBelow(node: PlanNode): readonly Branch[] {
    const branch = this.#deps.branchOf.get(node);
    if (branch !== undefined) return [branch];
    const below = node.extractor && this.#inlets.get(node.extractor)?.node;
    const nodes = below === undefined ? node.children : [below];
    return [...new Set(nodes.flatMap((one) => this.branchesBelow(one)))];
  }

  /** True when a branch below took it, or all of it was filtered out. */
  run(node: PlanNode, batch: FlowBatch, arrived: number, lease: BatchLease): boolean {
    const branch = this.#deps.branchOf.get(node);
    if (branch !== undefined) return branch.accept(batch, arrived, lease);
    if (node.extractor !== undefined) return this.#extract(node.extractor, batch);
    if (node.transforms.length > 0) this.#transform(node, batch);
    let taken = false;
    for (const child of node.children) {
      if (batch.selected === 0) taken = this.#skip(child, arrived) || taken;
      else {
        const isShared = node.children.length > 1 && child.modifies;
        const view = isShared ? this.#forksOf(child).take(batch, lease) : batch;
        taken = this.run(child, view, arrived, lease) || taken;
      }
    }
    return taken;
  }

  /** The source that fills batches rebuilds the tables, and it need not call `take`. */
  countRebuilds(): void {
    const { rebuilds } = this.#deps.tables;
    this.#deps.metrics.internRebuilt(rebuilds - this.#rebuilds);
    this.#rebuilds = rebuilds;
  }

  #extract(extractor: NonNullable<PlanNode['extractor']>, batch: FlowBatch): boolean {
    const { clock, metrics } = this.#deps;
    const startMs = clock.monotonicMs();
    extractor.push(batch, this.#inlets.get(extractor)!);
    metrics.stage(extractor.name, (clock.monotonicMs() - startMs) / 1000);
    metrics.extracted(extractor.name, 'in', batch.selected);
    return true;
  }

  #forksOf(node: PlanNode): ForkPool {
    const known = this.#forks.get(node);
    if (known !== undefined) return known;
    const pool = new ForkPool(node.layout, node.written);
    this.#forks.set(node, pool);
    return pool;
  }

  #transform(node: PlanNode, batch: FlowBatch): void {
    const { clock, metrics } = this.#deps;
    const startMs = clock.monotonicMs();
    for (const transform of node.transforms) {
      transform.apply(batch);
      clearRemoved(transform, batch);
    }
    metrics.stage(node.name, (clock.monotonicMs() - startMs) / 1000);
  }

  #skip(node: PlanNode, arrived: number): boolean {
    this.#deps.branchOf.get(node)?.skip(arrived);
    for (const child of node.children) this.#skip(child, arrived);
    return true;
  }
}

function clearRemoved({ removes = [], keeps }: Transform, batch: FlowBatch): void {
  for (const name of removes) clear(batch, name);
  if (keeps === undefined) return;
  for (const { name } of batch.layout.columns) if (!keeps.has(name)) clear(batch, name);
}

function clear(batch: FlowBatch, name: string): void {
  const column = batch.filled(name);
  if (column !== undefined) clearColumn(column);
}

class GraphInlet implements Inlet {
  readonly node: PlanNode;
  readonly decoded: readonly string[];
  readonly #graph: Graph;
  readonly #from: Entry['from'];
  readonly #deps: GraphDeps;
  readonly #pool: BatchPool;

  constructor(graph: Graph, { node, decoded, from }: Entry, deps: GraphDeps) {
    this.#graph = graph;
    this.node = node;
    this.decoded = decoded;
    this.#from = from;
    this.#deps = deps;
    this.#pool = new BatchPool(node.layout);
  }

  get layout() {
    return this.node.layout;
  }

  take(): FlowBatch {
    const { tables } = this.#deps;
    tables.rotateIfFull();
    return this.#pool.take(tables.current);
  }

  emit(batch: FlowBatch, onSettled?: (outcome: BatchOutcome) => void): boolean {
    this.#graph.countRebuilds();
    if (this.#from?.kind === 'extractor') {
      this.#deps.metrics.extracted(this.#from.name, 'out', batch.selected);
    }
    const lease = new BatchLease(batch, this.#pool, onSettled);
    // A batch that was not taken from the pool may lack columns that stages make.
    const isKnown = batch.layout === this.layout;
    const own = isKnown ? batch : batch.fork(this.layout, this.node.written);
    const isTaken = this.#graph.run(this.node, own, batch.length, lease);
    lease.offered();
    return isTaken;
  }

  recycle(batch: FlowBatch): void {
    this.#pool.give(batch);
  }

  whenReady(): Promise<void> | undefined {
    const waits = this.#graph
      .branchesBelow(this.node)
      .map((branch) => branch.whenRoom())
      .filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }
}
