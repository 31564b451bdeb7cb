import { BATCH_CAPACITY_ROWS } from '../../flow/batch.ts';
import type { Branch } from './branch.ts';
import type { Plan, PlanNode } from './compile.ts';

/** The physical plan for a person: what is decoded, which stages run, what is cloned and queued. */
export function planText(plan: Plan, branches: readonly Branch[]): string {
  const lines = [
    `batches of ${BATCH_CAPACITY_ROWS} rows`,
    `decoded columns (${plan.decoded.length}): ${plan.decoded.join(', ') || 'none'}`,
  ];
  const added = plan.source.layout.columns
    .map((column) => column.name)
    .filter((name) => !plan.decoded.includes(name));
  if (added.length > 0) lines.push(`columns made in place (${added.length}): ${added.join(', ')}`);
  describe(plan.source, undefined, '', lines, branches);
  return `${lines.join('\n')}\n`;
}

function describe(
  node: PlanNode,
  parent: PlanNode | undefined,
  indent: string,
  lines: string[],
  branches: readonly Branch[],
): void {
  lines.push(`${indent}${node.name} (${node.type})${cloneText(node, parent)}`);
  for (const transform of node.transforms) {
    const makes = transform.writes.map((column) => column.name);
    const removes = (transform.removes ?? []).map((name) => `-${name}`);
    const effects = [...makes, ...removes, ...(transform.filters === true ? ['rows'] : [])];
    lines.push(`${indent}  · ${transform.name} → ${effects.join(', ')}`);
  }
  for (const transform of node.dropped) {
    lines.push(`${indent}  · ${transform.name}: left out, nobody reads its result`);
  }
  const branch = branches.find((one) => one.name === node.name);
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
