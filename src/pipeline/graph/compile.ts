import { BatchLayout, type ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import type { CheckedConfig } from '../config.ts';
import type { Extractor, Sink, Source, StageDeps, Transform } from '../stage.ts';
import { Scope } from './scope.ts';
import { connect, type GraphNode, isTerminal } from './topology.ts';

/** A stage of the physical plan. It has a sink, an extractor, or children. */
export interface PlanNode {
  readonly name: string;
  readonly type: string;
  /** Live transforms only. */
  readonly transforms: readonly Transform[];
  /** Configured ones whose result nobody reads. */
  readonly dropped: readonly Transform[];
  readonly sink: Sink | undefined;
  /** Ends the way of the rows; its own are in `Plan.entries`. */
  readonly extractor: Extractor | undefined;
  readonly whenFull: 'drop' | 'block';
  readonly children: readonly PlanNode[];
  /** Columns that a batch of its own must have here, and which of them it may change. */
  readonly layout: BatchLayout;
  readonly written: ReadonlySet<string>;
  /** Whether it, or what follows it in place, changes a batch: then it may not be a shared one. */
  readonly modifies: boolean;
}

/** Where batches enter: a source, the output of an extractor, or `Pipeline.emit`. */
export interface Entry {
  readonly node: PlanNode;
  /** Columns that it should fill. */
  readonly decoded: readonly string[];
  /** Undefined for `Pipeline.emit`. */
  readonly from: Source | Extractor | undefined;
}

export interface Plan {
  /** Sources and extractors, each before those that its flows reach. */
  readonly entries: readonly Entry[];
  /** Every sink once, in configuration order. */
  readonly sinks: readonly PlanNode[];
}

/** A stage that was made, and the columns that exist before each of its transforms. */
interface MadeNode {
  readonly node: GraphNode;
  readonly transforms: readonly Transform[];
  readonly sink: Sink | undefined;
  readonly source: Source | undefined;
  readonly extractor: Extractor | undefined;
  readonly before: readonly ReadonlySet<string>[];
  /** What its children find. */
  readonly after: Scope;
}

/** Facts about fields: which of them `Pipeline.emit` can fill, and the kinds of all. */
export interface FieldFacts {
  readonly source: readonly ColumnSpec[];
  readonly kinds: ReadonlyMap<string, FieldKind>;
}

/**
 * Configuration → physical plan: makes the stages from the sources downwards, so that each knows
 * which columns exist, then walks back from the sinks to find which columns anybody reads.
 */
export function compile(config: CheckedConfig, facts: FieldFacts, deps: StageDeps): Plan {
  const order = connect(config);
  const made = new Map<GraphNode, MadeNode>();
  for (const node of order) made.set(node, make(node, made, facts, deps));
  const names = new Set(facts.kinds.keys());
  for (const { after } of made.values()) for (const name of after.kinds.keys()) names.add(name);
  const planned = new Map<GraphNode, Planned>();
  for (const node of order.toReversed())
    planned.set(node, planNode(made.get(node)!, planned, names));
  const entries = order.flatMap((node): readonly Entry[] => {
    const { source, extractor } = made.get(node)!;
    if (node.parents.length > 0 && extractor === undefined) return [];
    const { plan, live, outlet } = planned.get(node)!;
    const { columns } = extractor ?? source ?? { columns: facts.source };
    const fillable = new Set(columns.map(({ name }) => name));
    const wanted = outlet?.live ?? live;
    const decoded = [...names].filter((name) => wanted.has(name) && fillable.has(name));
    return [{ node: outlet?.plan ?? plan, decoded, from: extractor ?? source }];
  });
  const sinks = config.stages.flatMap((entry) => {
    const node = order.find((one) => one.entry === entry)!;
    return isTerminal(node) ? [planned.get(node)!.plan] : [];
  });
  return { entries, sinks };
}

function make(
  node: GraphNode,
  made: ReadonlyMap<GraphNode, MadeNode>,
  facts: FieldFacts,
  deps: StageDeps,
): MadeNode {
  const { entry } = node;
  const scope = scopeBefore(node, made, facts);
  const created = entry.type.create(entry.options, {
    name: entry.name,
    path: entry.path,
    deps,
    kindOf: (name) => scope.kindOf(name),
    declaredKind: (name) => scope.declaredKind(name),
    named: scope.named,
  });
  const nothing = { sink: undefined, source: undefined, extractor: undefined };
  const none = { node, transforms: [], before: [], after: scope, ...nothing };
  if (!('kind' in created)) {
    const before: ReadonlySet<string>[] = [];
    for (const transform of created) {
      before.push(new Set(scope.names));
      scope.apply(transform, entry.path);
    }
    return { ...none, transforms: created, before };
  }
  if (created.kind === 'sink') return { ...none, sink: created };
  const after = Scope.of(facts.kinds, created.columns, entry.path);
  if (created.kind === 'source') return { ...none, source: created, after };
  return { ...none, extractor: created, before: [scope.names], after };
}

function scopeBefore(
  { entry, parents }: GraphNode,
  made: ReadonlyMap<GraphNode, MadeNode>,
  facts: FieldFacts,
): Scope {
  if (parents.length === 0) return Scope.of(facts.kinds, facts.source, entry.path);
  return Scope.join(
    parents.map((parent) => made.get(parent)!.after),
    entry.path,
  );
}

interface Planned {
  readonly plan: PlanNode;
  /** Columns that must hold their values when a batch arrives here. */
  readonly live: ReadonlySet<string>;
  /** `live`, and those that it, or what follows it in place, makes, with their kinds. */
  readonly needed: ReadonlyMap<string, FieldKind>;
  /** The flows that an extractor emits. */
  readonly outlet?: Planned;
}

function planNode(
  made: MadeNode,
  planned: ReadonlyMap<GraphNode, Planned>,
  names: ReadonlySet<string>,
): Planned {
  const { extractor } = made;
  if (extractor === undefined) return planStage(made, planned, names);
  // Two ends: the one where flows go in, and the one where others come out.
  const outlet = planStage({ ...made, extractor: undefined }, planned, names);
  const live = new Set<string>();
  addReads(live, extractor.reads, made.before[0]!);
  const plan = {
    ...outlet.plan,
    extractor,
    children: [],
    layout: EMPTY,
    written: new Set<string>(),
  };
  return { plan: { ...plan, modifies: false }, live, needed: new Map(), outlet };
}

const EMPTY = new BatchLayout([]);

function planStage(
  made: MadeNode,
  planned: ReadonlyMap<GraphNode, Planned>,
  names: ReadonlySet<string>,
): Planned {
  const { entry, whenFull } = made.node;
  const children = made.node.children.map((child) => planned.get(child)!);
  const live = new Set<string>();
  // Where ways meet, a child may read a column that exists on another way only.
  for (const child of children) addReads(live, [...child.live], made.after.names);
  if (made.sink !== undefined) addReads(live, made.sink.reads, made.after.names);
  const only = children.length === 1 ? children[0]! : undefined;
  const needed = new Map(only?.needed);
  const written = new Set(only?.plan.written);
  const kept: Transform[] = [];
  const dropped: Transform[] = [];
  for (const [index, transform] of [...made.transforms.entries()].toReversed()) {
    if (!isLive(transform, live)) {
      dropped.unshift(transform);
      continue;
    }
    kept.unshift(transform);
    for (const { name, kind, form } of transform.writes) {
      if (form !== undefined) continue;
      live.delete(name);
      needed.set(name, kind);
      written.add(name);
    }
    for (const name of transform.removes ?? []) {
      live.delete(name);
      written.add(name);
    }
    addReads(live, transform.reads, made.before[index]!);
  }
  for (const name of live) {
    if (!needed.has(name)) needed.set(name, made.after.declaredKind(name)!);
  }
  const columns = [...names].filter((name) => needed.has(name));
  const plan: PlanNode = {
    name: entry.name,
    type: `${entry.type.section} ${entry.type.type}`,
    transforms: kept,
    dropped,
    sink: made.sink,
    extractor: undefined,
    whenFull,
    children: children.map((child) => child.plan),
    layout: new BatchLayout(columns.map((name) => ({ name, kind: needed.get(name)! }))),
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
