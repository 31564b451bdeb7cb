import { BatchLayout, type ColumnSpec, EXTRAS, isHeldName } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import type { CheckedConfig } from '../config.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { PipelineMetrics } from '../metrics.ts';
import { ConfigProblems } from '../problems.ts';
import type { Extractor, Sink, Source, StageDeps, Transform } from '../stage.ts';
import { KeptStages } from './kept.ts';
import { ColumnScope } from './scope.ts';
import { connect, type GraphNode, isTerminal } from './topology.ts';

/** A stage of the physical plan. It has a sink, an extractor, or children. */
export interface PlanNode {
  readonly name: string;
  readonly type: string;
  /** Live transforms only. */
  readonly transforms: readonly Transform[];
  /** Configured transforms whose results nothing reads. */
  readonly dropped: readonly Transform[];
  readonly sink: Sink | undefined;
  /** The rows end here; the extractor's own rows are in `Plan.entries`. */
  readonly extractor: Extractor | undefined;
  readonly whenFull: 'drop' | 'block';
  readonly children: readonly PlanNode[];
  /** Columns that an own batch must have here, including those that it may change. */
  readonly layout: BatchLayout;
  readonly written: ReadonlySet<string>;
  /** It, or a later stage in place, clears all columns that it does not keep: `written` has all. */
  readonly clearsAll: boolean;
  /** Whether it, or a later stage in place, changes a batch, which must not be shared then. */
  readonly modifies: boolean;
}

/** An entry for batches: a source, the output of an extractor, or `Pipeline.emit`. */
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
  /** For the plan after this one. */
  readonly kept: KeptStages;
}

/** A stage that was made, and the columns that exist before each of its transforms. */
interface MadeNode {
  readonly node: GraphNode;
  readonly transforms: readonly Transform[];
  readonly sink: Sink | undefined;
  readonly source: Source | undefined;
  readonly extractor: Extractor | undefined;
  readonly before: readonly ColumnScope[];
  /** The columns for its children. */
  readonly after: ColumnScope;
}

/** Facts about fields: those that `Pipeline.emit` can fill, and the kinds of all. */
export interface FieldFacts {
  readonly source: readonly ColumnSpec[];
  readonly kinds: ReadonlyMap<string, FieldKind>;
}

export interface CompileDeps extends StageDeps {
  readonly pipelineMetrics: PipelineMetrics;
}

interface Making extends CompileDeps {
  readonly kept: KeptStages;
}

/**
 * Configuration → physical plan: makes the stages from the sources downwards, so that each knows
 * which columns exist, then walks back from the sinks to find the columns that are read. Stages of
 * an earlier plan that need not change are taken from it.
 */
export function compile(
  config: CheckedConfig,
  facts: FieldFacts,
  deps: CompileDeps,
  earlier?: Plan,
): Plan {
  const order = connect(config);
  const kept = new KeptStages(earlier?.kept);
  const made = makeAll(order, facts, { ...deps, kept });
  const names = new Set(facts.kinds.keys());
  for (const { after } of made.values()) for (const name of after.kinds.keys()) names.add(name);
  const planned = new Map<GraphNode, Planned>();
  for (const node of order.toReversed())
    planned.set(node, planNode(made.get(node)!, { planned, names, kept }));
  const entries = order.flatMap((node): readonly Entry[] => {
    const { source, extractor } = made.get(node)!;
    if (node.parents.length > 0 && extractor === undefined) return [];
    const { plan, live, outlet } = planned.get(node)!;
    const { columns } = extractor ?? source ?? { columns: facts.source };
    const fillable = new Set(columns.map(({ name }) => name));
    const isOpen = source?.isOpen === true;
    const wanted = outlet?.live ?? live;
    const decoded = inOrder(wanted, names).filter((name) => isOpen || fillable.has(name));
    return [{ node: outlet?.plan ?? plan, decoded, from: extractor ?? source }];
  });
  const sinks = config.stages.flatMap((entry) => {
    const node = order.find((one) => one.entry === entry)!;
    return isTerminal(node) ? [planned.get(node)!.plan] : [];
  });
  return { entries, sinks, kept };
}

function makeAll(
  order: readonly GraphNode[],
  facts: FieldFacts,
  deps: Making,
): ReadonlyMap<GraphNode, MadeNode> {
  const made = new Map<GraphNode, MadeNode>();
  const problems = new ConfigProblems();
  for (const node of order) {
    const mayLackColumns = problems.hasFailed;
    const one = problems.attempt(() => make(node, made, facts, deps), mayLackColumns);
    made.set(node, one ?? passing(node, made, facts));
  }
  problems.throwAll();
  const isOpen = [...made.values()].some(({ source }) => source?.isOpen === true);
  const kinds = isOpen ? withWritten(facts.kinds, made.values()) : facts.kinds;
  if (kinds.size === facts.kinds.size) return made;
  // Once more, now that the kinds that stages give to keys of the data are known.
  for (const node of order) made.set(node, make(node, made, { ...facts, kinds }, deps));
  return made;
}

/** Kinds of names that stages write, if they agree. */
function withWritten(
  known: ReadonlyMap<string, FieldKind>,
  made: Iterable<MadeNode>,
): ReadonlyMap<string, FieldKind> {
  const written = [...made].flatMap(({ transforms }) => transforms.flatMap(({ writes }) => writes));
  const kinds = Map.groupBy(written, ({ name }) => name);
  const agreed = [...kinds].flatMap(([name, columns]): [string, FieldKind][] => {
    const [first, ...others] = columns;
    const isAgreed = others.every(({ kind }) => kind === first!.kind);
    return isAgreed && !known.has(name) && !isHeldName(name) ? [[name, first!.kind]] : [];
  });
  return new Map([...known, ...agreed]);
}

function make(
  node: GraphNode,
  made: ReadonlyMap<GraphNode, MadeNode>,
  facts: FieldFacts,
  deps: Making,
): MadeNode {
  const { entry } = node;
  const scope = scopeBefore(node, made, facts);
  const { name, path } = entry;
  const counts = deps.pipelineMetrics.countsOf(name);
  const created = deps.kept.stage(node, scope, (before) =>
    entry.type.create(entry.options, Object.assign(before, { name, path, deps, counts })),
  );
  const none = madeOfNothing(node, scope);
  if (!('kind' in created)) {
    const before = scopesOf(created, scope, entry.path);
    return { ...none, transforms: created, before };
  }
  if (created.kind === 'sink') return { ...none, sink: created };
  if (created.kind === 'source') {
    const after = ColumnScope.of(facts.kinds, created.columns, entry.path, created.isOpen);
    const { transforms = [] } = created;
    const before = scopesOf(transforms, after, entry.path);
    return { ...none, source: created, transforms, before, after };
  }
  const own = ColumnScope.of(facts.kinds, created.columns, entry.path);
  const after = created.echoes === true ? ColumnScope.join([scope, own], entry.path) : own;
  return { ...none, extractor: created, before: [scope], after };
}

/** The scope before each transform; `scope` becomes that behind the last one. */
function scopesOf(
  transforms: readonly Transform[],
  scope: ColumnScope,
  path: string,
): readonly ColumnScope[] {
  return transforms.map((transform) => {
    const before = scope.copy();
    scope.apply(transform, path);
    return before;
  });
}

/** In place of a stage that could not be made: the stages after it are still checked. */
function passing(
  node: GraphNode,
  made: ReadonlyMap<GraphNode, MadeNode>,
  facts: FieldFacts,
): MadeNode {
  const [parent] = node.parents;
  const after =
    parent === undefined
      ? ColumnScope.of(facts.kinds, facts.source, node.entry.path)
      : made.get(parent)!.after;
  return madeOfNothing(node, after);
}

function madeOfNothing(node: GraphNode, after: ColumnScope): MadeNode {
  const nothing = { sink: undefined, source: undefined, extractor: undefined };
  return { node, transforms: [], before: [], after, ...nothing };
}

function scopeBefore(
  { entry, parents }: GraphNode,
  made: ReadonlyMap<GraphNode, MadeNode>,
  facts: FieldFacts,
): ColumnScope {
  if (parents.length === 0) return ColumnScope.of(facts.kinds, facts.source, entry.path);
  return ColumnScope.join(
    parents.map((parent) => made.get(parent)!.after),
    entry.path,
  );
}

interface Planned {
  readonly plan: PlanNode;
  /** Columns that must hold their values when a batch arrives here. */
  readonly live: ReadonlySet<string>;
  /** `live`, and the columns that it, or a later stage in place, makes, with their kinds. */
  readonly needed: ReadonlyMap<string, FieldKind>;
  /** The flows that an extractor emits. */
  readonly outlet?: Planned;
}

/** The stages planned so far, from the sinks upwards. */
interface Planning {
  readonly planned: ReadonlyMap<GraphNode, Planned>;
  readonly names: ReadonlySet<string>;
  readonly kept: KeptStages;
}

function planNode(made: MadeNode, planning: Planning): Planned {
  const { extractor } = made;
  if (extractor === undefined) return planStage(made, planning);
  // An extractor has two ends: flows enter at one, and others leave at the other.
  const outlet = planStage({ ...made, extractor: undefined }, planning);
  const live = new Set<string>();
  const before = made.before[0]!;
  addReads(live, extractor.reads, before);
  const needed = new Map<string, FieldKind>();
  if (extractor.echoes === true) {
    addReads(live, [...outlet.live], before);
    const own = extractor.columns.map(({ name }) => name);
    // A key of the data that the extractor makes, too, must not be in the extras.
    if (live.has(EXTRAS)) addReads(live, own, before);
    for (const [name, kind] of outlet.needed) if (live.has(name)) needed.set(name, kind);
  }
  const plan = {
    ...outlet.plan,
    extractor,
    children: [],
    layout: EMPTY,
    written: new Set<string>(),
  };
  return {
    plan: { ...plan, clearsAll: false, modifies: false },
    live,
    needed,
    outlet,
  };
}

const EMPTY = new BatchLayout([]);

function planStage(made: MadeNode, { planned, names, kept: layouts }: Planning): Planned {
  const { entry, whenFull } = made.node;
  const children = made.node.children.map((child) => planned.get(child)!);
  const live = new Set<string>();
  // A child of several parents may read a column that only one of the paths has.
  for (const child of children) addReads(live, [...child.live], made.after);
  if (made.sink !== undefined) addReads(live, made.sink.reads, made.after);
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
    const before = made.before[index]!;
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
    const { keeps } = transform;
    if (keeps !== undefined) for (const name of live) if (!keeps.has(name)) live.delete(name);
    // A key of the data that a stage replaces must not be in the extras: it has a column.
    if (live.has(EXTRAS)) addReads(live, [...written], before);
    addReads(live, transform.reads, before);
  }
  for (const name of live) {
    if (!needed.has(name)) needed.set(name, kindFor(name, made, children));
  }
  const columns = inOrder(new Set(needed.keys()), names);
  const clearsAll = kept.some(({ keeps }) => keeps !== undefined) || only?.plan.clearsAll === true;
  const plan: PlanNode = {
    name: entry.name,
    type: `${entry.type.section} ${entry.type.type}`,
    transforms: kept,
    dropped,
    sink: made.sink,
    extractor: undefined,
    whenFull,
    children: children.map((child) => child.plan),
    layout: layouts.layout(columns.map((name) => ({ name, kind: needed.get(name)! }))),
    written: clearsAll ? new Set(columns) : written,
    clearsAll,
    modifies: kept.length > 0 || only?.plan.modifies === true,
  };
  return { plan, live, needed };
}

/** Known names in their order, then names that only stages use. */
function inOrder(wanted: ReadonlySet<string>, known: ReadonlySet<string>): readonly string[] {
  const others = [...wanted].filter((name) => !known.has(name));
  return [...[...known].filter((name) => wanted.has(name)), ...others];
}

/** A key that only the data define has the kind that later stages give it. */
function kindFor(name: string, { after, node }: MadeNode, children: readonly Planned[]): FieldKind {
  const known = after.kinds.get(name);
  if (known !== undefined) return known;
  const kinds = new Set(children.flatMap((child) => child.needed.get(name) ?? []));
  const [kind = 'any', other] = kinds;
  if (other === undefined) return kind;
  const problem = `field ${name} is ${kind} in one branch and ${other} in another: rename one`;
  throw configError(PIPELINE_ERRORS.fieldKind, node.entry.path, problem);
}

function isLive(transform: Transform, live: ReadonlySet<string>): boolean {
  if (transform.filters === true || transform.keeps !== undefined) return true;
  if ((transform.removes?.length ?? 0) > 0) return true;
  return transform.writes.some(({ name }) => live.has(name));
}

/** Only existing columns: a name that nothing fills is absent in every row, and needs no column. */
function addReads(
  live: Set<string>,
  reads: readonly string[] | 'all',
  existing: ColumnScope,
): void {
  const names = reads === 'all' ? existing.all : reads;
  for (const name of names) if (existing.has(name)) live.add(name);
}
