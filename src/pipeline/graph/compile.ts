import { BatchLayout, type ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import type { CheckedConfig } from '../config.ts';
import type { Sink, StageDeps, Transform } from '../stage.ts';
import { Scope } from './scope.ts';
import { connect, type GraphNode, isTerminal } from './topology.ts';

/** A stage of the physical plan. Either `sink` is set or it has children. */
export interface PlanNode {
  readonly name: string;
  readonly type: string;
  /** Live transforms only. */
  readonly transforms: readonly Transform[];
  /** Configured ones whose result nobody reads. */
  readonly dropped: readonly Transform[];
  readonly sink: Sink | undefined;
  readonly whenFull: 'drop' | 'block';
  readonly children: readonly PlanNode[];
  /** Columns that a batch of its own must have here, and which of them it may change. */
  readonly layout: BatchLayout;
  readonly written: ReadonlySet<string>;
  /** Whether it, or what follows it in place, changes a batch: then it may not be a shared one. */
  readonly modifies: boolean;
}

export interface Plan {
  readonly source: PlanNode;
  /** Every sink once, in configuration order. */
  readonly sinks: readonly PlanNode[];
  /** What the source should fill. */
  readonly decoded: readonly string[];
}

/** A stage that was made, and the columns that exist before each of its transforms. */
interface Made {
  readonly node: GraphNode;
  readonly transforms: readonly Transform[];
  readonly sink: Sink | undefined;
  readonly before: readonly ReadonlySet<string>[];
  readonly after: ReadonlySet<string>;
  readonly named: ReadonlySet<string>;
}

/** What the compiler has to know of fields: which the source can fill, and the kinds of all. */
export interface FieldFacts {
  readonly source: readonly ColumnSpec[];
  readonly kinds: ReadonlyMap<string, FieldKind>;
}

/**
 * Configuration → physical plan: makes the stages from the source downwards, so that each knows
 * which columns exist, then walks back from the sinks to find which columns anybody reads.
 */
export function compile(config: CheckedConfig, facts: FieldFacts, deps: StageDeps): Plan {
  const order = connect(config);
  const kinds = new Map(facts.kinds);
  for (const { name, kind } of facts.source) kinds.set(name, kind);
  const made = new Map<GraphNode, Made>();
  for (const node of order) made.set(node, make(node, made, kinds, facts, deps));
  const planned = new Map<GraphNode, Planned>();
  const namesInOrder = [...kinds.keys()];
  for (const node of order.toReversed()) {
    planned.set(node, planNode(made.get(node)!, planned, namesInOrder, kinds));
  }
  const root = planned.get(order[0]!)!;
  const fillable = new Set(facts.source.map((column) => column.name));
  return {
    source: root.plan,
    sinks: config.stages.flatMap((entry) => {
      const node = order.find((one) => one.entry === entry)!;
      return isTerminal(node) ? [planned.get(node)!.plan] : [];
    }),
    decoded: namesInOrder.filter((name) => root.live.has(name) && fillable.has(name)),
  };
}

function make(
  node: GraphNode,
  made: ReadonlyMap<GraphNode, Made>,
  kinds: Map<string, FieldKind>,
  facts: FieldFacts,
  deps: StageDeps,
): Made {
  const isSource = node.parents.length === 0;
  const above = isSource
    ? facts.source.map((column) => column.name)
    : node.parents.flatMap((parent) => [...made.get(parent)!.after]);
  const named = node.parents.flatMap((parent) => [...made.get(parent)!.named]);
  const scope = new Scope(kinds, above, named);
  const { entry } = node;
  const created = entry.type.create(entry.options, {
    name: entry.name,
    path: entry.path,
    deps,
    kindOf: (name) => scope.kindOf(name),
    declaredKind: (name) => scope.declaredKind(name),
    named: scope.named,
  });
  if ('offer' in created) {
    return {
      node,
      transforms: [],
      sink: created,
      before: [],
      after: scope.names,
      named: scope.named,
    };
  }
  const before: ReadonlySet<string>[] = [];
  for (const transform of created) {
    before.push(new Set(scope.names));
    scope.apply(transform, entry.path);
  }
  const { names: after } = scope;
  return { node, transforms: created, sink: undefined, before, after, named: scope.named };
}

interface Planned {
  readonly plan: PlanNode;
  /** Columns that must hold their values when a batch arrives here. */
  readonly live: ReadonlySet<string>;
  /** `live`, and those that it, or what follows it in place, makes. */
  readonly needed: ReadonlySet<string>;
}

function planNode(
  made: Made,
  planned: ReadonlyMap<GraphNode, Planned>,
  namesInOrder: readonly string[],
  kinds: ReadonlyMap<string, FieldKind>,
): Planned {
  const { entry, whenFull } = made.node;
  const children = made.node.children.map((child) => planned.get(child)!);
  const live = new Set<string>();
  for (const child of children) for (const name of child.live) live.add(name);
  if (made.sink !== undefined) addReads(live, made.sink.reads, made.after);
  const needed = new Set<string>();
  const written = new Set<string>();
  const only = children.length === 1 ? children[0]! : undefined;
  for (const name of only?.needed ?? []) needed.add(name);
  for (const name of only?.plan.written ?? []) written.add(name);
  const kept: Transform[] = [];
  const dropped: Transform[] = [];
  for (const [index, transform] of [...made.transforms.entries()].toReversed()) {
    if (!isLive(transform, live)) {
      dropped.unshift(transform);
      continue;
    }
    kept.unshift(transform);
    for (const { name, form } of transform.writes) {
      if (form !== undefined) continue;
      live.delete(name);
      needed.add(name);
      written.add(name);
    }
    for (const name of transform.removes ?? []) {
      live.delete(name);
      written.add(name);
    }
    addReads(live, transform.reads, made.before[index]!);
  }
  for (const name of live) needed.add(name);
  const columns = namesInOrder.filter((name) => needed.has(name));
  const plan: PlanNode = {
    name: entry.name,
    type: `${entry.type.section} ${entry.type.type}`,
    transforms: kept,
    dropped,
    sink: made.sink,
    whenFull,
    children: children.map((child) => child.plan),
    layout: new BatchLayout(columns.map((name) => ({ name, kind: kinds.get(name)! }))),
    written,
    modifies: kept.length > 0 || only?.plan.modifies === true,
  };
  return { plan, live, needed };
}

function isLive(transform: Transform, live: ReadonlySet<string>): boolean {
  if (transform.filters === true || (transform.removes?.length ?? 0) > 0) return true;
  return transform.writes.some(({ name }) => live.has(name));
}

/** Only what exists: a name that nobody fills is absent in every row, and needs no column. */
function addReads(
  live: Set<string>,
  reads: readonly string[] | 'all',
  existing: ReadonlySet<string>,
): void {
  if (reads === 'all') for (const name of existing) live.add(name);
  else for (const name of reads) if (existing.has(name)) live.add(name);
}
