import { suggestion } from '../../base/suggest.ts';
import type { CheckedConfig, StageEntry } from '../config.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { presetIngest } from '../ingest/preset.ts';
import type { PipelineEdge } from '../options/graph.ts';
import { PRESET_INGESTER } from '../options/ingest/preset.ts';
import { ConfigProblems } from '../problems.ts';

/** A stage and its place in the graph. */
export interface GraphNode {
  readonly entry: StageEntry;
  readonly parents: GraphNode[];
  readonly children: GraphNode[];
  whenFull: 'drop' | 'block';
}

const SINK_SECTIONS: readonly string[] = ['encode', 'write'];

export function isTerminal(node: GraphNode): boolean {
  return SINK_SECTIONS.includes(node.entry.type.section);
}

/** Checks that the edges form a graph from sources to sinks; parents come before children. */
export function connect(config: CheckedConfig): readonly GraphNode[] {
  const nodes = new Map<string, GraphNode>();
  for (const entry of config.stages) nodes.set(entry.name, node(entry));
  const preset = { name: PRESET_INGESTER, type: presetIngest, options: {}, path: PRESET_INGESTER };
  const followsPreset = config.edges.some((edge) => edge.follows === PRESET_INGESTER);
  if (followsPreset && !nodes.has(PRESET_INGESTER)) nodes.set(PRESET_INGESTER, node(preset));
  const problems = new ConfigProblems();
  for (const [index, edge] of config.edges.entries()) {
    problems.attempt(() => link(nodes, edge, `pipeline[${index}]`));
  }
  problems.throwAll();
  const all = [...nodes.values()];
  for (const one of all) problems.attempt(() => checkEnds(one));
  problems.attempt(() => checkSources(all));
  problems.throwAll();
  return sorted(all);
}

function node(entry: StageEntry): GraphNode {
  return { entry, parents: [], children: [], whenFull: 'drop' };
}

function link(nodes: ReadonlyMap<string, GraphNode>, edge: PipelineEdge, path: string): void {
  const child = find(nodes, edge.name, `${path}.name`);
  if (edge.whenFull !== undefined) {
    if (!isTerminal(child)) {
      const problem = `only a stage with a queue (${SINK_SECTIONS.join(', ')}) can have it`;
      throw configError(PIPELINE_ERRORS.option, `${path}.whenFull`, problem);
    }
    child.whenFull = edge.whenFull;
  }
  if (edge.follows === undefined) return;
  const parent = find(nodes, edge.follows, `${path}.follows`);
  if (isTerminal(parent)) {
    const { section } = parent.entry.type;
    const problem = `"${edge.follows}" ends its branch (${section}), so nothing can follow it`;
    throw configError(PIPELINE_ERRORS.noInput, `${path}.follows`, problem);
  }
  if (child.entry.type.section === 'ingest') {
    const problem = `"${edge.name}" is a source, which cannot follow another stage`;
    throw configError(PIPELINE_ERRORS.noInput, `${path}.name`, problem);
  }
  if (child.parents.includes(parent)) {
    const problem = `"${edge.name}" follows "${edge.follows}" twice`;
    throw configError(PIPELINE_ERRORS.stageDuplicate, path, problem);
  }
  child.parents.push(parent);
  parent.children.push(child);
}

function find(nodes: ReadonlyMap<string, GraphNode>, name: string, path: string): GraphNode {
  const found = nodes.get(name);
  if (found !== undefined) return found;
  const known = [...nodes.keys()].filter((key) => key !== PRESET_INGESTER);
  const problem = `no stage "${name}" in parameters${suggestion(name, known)}`;
  throw configError(PIPELINE_ERRORS.stageUnknown, path, problem);
}

function checkEnds(one: GraphNode): void {
  const { name, type, path } = one.entry;
  if (type.section !== 'ingest' && one.parents.length === 0) {
    const problem = `stage "${name}" has no input: say in pipeline which stage it follows`;
    throw configError(PIPELINE_ERRORS.noInput, path, problem);
  }
  if (type.isAlone === true && one.children.length > 0) {
    const problem = `stage "${name}" has no flows for other stages, so nothing can follow it`;
    throw configError(PIPELINE_ERRORS.noInput, path, problem);
  }
  if (type.isAlone !== true && !isTerminal(one) && one.children.length === 0) {
    const problem = `stage "${name}" has no output: let an encode or write stage follow it`;
    throw configError(PIPELINE_ERRORS.noOutput, path, problem);
  }
}

function checkSources(nodes: readonly GraphNode[]): void {
  const sources = nodes.filter((one) => one.entry.type.section === 'ingest');
  const inProcess = sources.filter((one) => one.entry.type === presetIngest);
  if (sources.length > 0 && inProcess.length <= 1) return;
  const found = inProcess.map((one) => `"${one.entry.name}"`).join(', ');
  const problem =
    sources.length === 0
      ? `no source: the first stage follows "${PRESET_INGESTER}" or an ingest stage`
      : `one in-process source is possible, but there are ${inProcess.length}: ${found}`;
  throw configError(PIPELINE_ERRORS.noInput, 'pipeline', problem);
}

/** Parents before children; the remaining nodes contain a cycle. */
function sorted(nodes: readonly GraphNode[]): readonly GraphNode[] {
  const waiting = new Map(nodes.map((one) => [one, one.parents.length]));
  const order: GraphNode[] = nodes.filter((one) => one.parents.length === 0);
  for (let next = 0; next < order.length; next++) {
    for (const child of order[next]!.children) {
      const left = waiting.get(child)! - 1;
      waiting.set(child, left);
      if (left === 0) order.push(child);
    }
  }
  if (order.length === nodes.length) return order;
  const stuck = nodes.filter((one) => !order.includes(one)).map((one) => `"${one.entry.name}"`);
  const problem = `stages follow each other in a circle: ${stuck.join(', ')}`;
  throw configError(PIPELINE_ERRORS.cycle, 'pipeline', problem);
}
