import { BATCH_CAPACITY_ROWS } from '../../flow/batch.ts';
import type { Branch } from './branch.ts';
import type { Entry, Plan, PlanNode } from './compile.ts';

/** The physical plan for people: decoded columns, stages, copies and queues. */
export function planText(plan: Plan, branches: ReadonlyMap<PlanNode, Branch>): string {
  const lines = [`batches of ${BATCH_CAPACITY_ROWS} rows`];
  for (const entry of plan.entries) describeEntry(entry, lines, branches);
  return `${lines.join('\n')}\n`;
}

function describeEntry(
  { node, decoded, from }: Entry,
  lines: string[],
  branches: ReadonlyMap<PlanNode, Branch>,
): void {
  const verb = from?.kind === 'extractor' ? `columns made by ${from.name}` : 'decoded columns';
  lines.push(`${verb} (${decoded.length}): ${decoded.join(', ') || 'none'}`);
  const added = node.layout.columns
    .map((column) => column.name)
    .filter((name) => !decoded.includes(name));
  if (added.length > 0) lines.push(`columns made in place (${added.length}): ${added.join(', ')}`);
  describe(node, undefined, '', lines, branches);
}

function describe(
  node: PlanNode,
  parent: PlanNode | undefined,
  indent: string,
  lines: string[],
  branches: ReadonlyMap<PlanNode, Branch>,
): void {
  lines.push(`${indent}${node.name} (${node.type})${cloneText(node, parent)}`);
  for (const transform of node.transforms) {
    const makes = transform.writes.map((column) => column.name);
    const removes = (transform.removes ?? []).map((name) => `-${name}`);
    const all = transform.keeps === undefined ? [] : ['-all others'];
    const rows = transform.filters === true ? ['rows'] : [];
    const effects = [...makes, ...removes, ...all, ...rows];
    lines.push(`${indent}  · ${transform.name} → ${effects.join(', ')}`);
  }
  for (const transform of node.dropped) {
    lines.push(`${indent}  · ${transform.name}: left out, nobody reads its result`);
  }
  const branch = branches.get(node);
  if (branch !== undefined) lines.push(`${indent}  ${queueText(node, branch)}`);
  for (const child of node.children) describe(child, node, `${indent}  `, lines, branches);
}

function cloneText(node: PlanNode, parent: PlanNode | undefined): string {
  if (parent === undefined || parent.children.length === 1 || !node.modifies) return '';
  const copied = [...node.written].filter((name) => parent.layout.has(name));
  return copied.length === 0 ? ', forks, clones nothing' : `, forks, clones ${copied.join(', ')}`;
}

function queueText(node: PlanNode, branch: Branch): string {
  const reads = node.sink?.reads === 'all' ? 'all columns' : (node.sink?.reads.join(', ') ?? '');
  const full = branch.options.whenFull === 'drop' ? 'drops and counts' : 'makes the source wait';
  const bounds =
    branch.sink.bounds === undefined ? '' : `${branch.sink.bounds}, when full ${full}; `;
  return `${bounds}reads ${reads || 'nothing'}`;
}
