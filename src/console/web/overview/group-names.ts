import type { TFunction } from 'i18next';
import { fieldByName } from '../../../flow/fields.ts';
import type { FrontendConfig } from '../../api.ts';
import { exactValue, filterForField } from '../filters/terms.ts';
import { formatCell } from '../flows/format-value.ts';
import { portName } from '../format/names.ts';
import { visible } from '../format/visible.ts';
import type { FilterTerm, Grouping } from '../state/view-state.ts';

/** Groupings that have a name of their own, in the order of the menu. */
export const COMMON_GROUPINGS: readonly Grouping[] = [
  ['SrcAddr'],
  ['DstAddr'],
  ['SrcAddr', 'DstAddr'],
  ['Proto', 'ServicePort'],
  ['Interfaces'],
  ['Proto'],
  ['SrcPort'],
  ['DstPort'],
  ['FlowDirection'],
  ['Dscp'],
];

/** A group of the API that is not a field: the port of the end that serves. */
const SERVICE_PORT = 'ServicePort';

/** Whether flows may be in several groups, whose amounts then add up to more than the total. */
export function isOverlapping(grouping: Grouping, config: FrontendConfig): boolean {
  return grouping.some((field) =>
    config.fields.some(({ name, type }) => name === field && type.endsWith('[]')),
  );
}

/** `sources`, `conversations`, or the columns' names. */
export function groupingName(grouping: Grouping, config: FrontendConfig, t: TFunction): string {
  const key = grouping.join(',');
  const labels = grouping.map((field) => fieldLabel(field, config));
  const fallback = joinFields(labels, grouping);
  return t(`group.${key}`, { defaultValue: fallback });
}

/** `Source Port`: a column's name with its group's; the name alone is ambiguous. */
export function fieldLabel(field: string, config: FrontendConfig): string {
  if (field === SERVICE_PORT) return 'Service Port';
  const column = config.columns.find((candidate) => candidate.field === field);
  if (column === undefined) return field;
  const group = column.group ?? '';
  return group === '' || column.name.startsWith(group) ? column.name : `${group} ${column.name}`;
}

/** Joins texts of fields in one line; an arrow leads from the source's field to its counterpart. */
function joinFields(texts: readonly string[], grouping: Grouping): string {
  const pairs = grouping.map((field) => fieldByName(field)?.pair);
  return texts.reduce((line, text, at) => {
    const isTwin = pairs[at] !== undefined && pairs[at] === pairs[at - 1];
    return `${line}${isTwin ? ' → ' : ' '}${text}`;
  });
}

/** One line for a group: `10.0.0.1 → 10.0.0.2`, `10.0.0.1 443 https`, `TCP 443 https`. */
export function groupLabel(
  group: readonly string[],
  grouping: Grouping,
  config: FrontendConfig,
  none: string,
): string {
  const names = grouping.map((field, index) => valueLabel(group[index] ?? '', field, config, none));
  const key = grouping.join(',');
  if (key === 'Proto,ServicePort') return serviceLabel(group, names, config);
  return joinFields(names, grouping);
}

/** Protocols without ports have port 0: then only the name is useful. */
function serviceLabel(
  [, port = '']: readonly string[],
  [protocol = '', shown = '']: readonly string[],
  config: FrontendConfig,
): string {
  if (port === '' || port === '0') return protocol;
  const name = portName(Number(port), config.portNaming.portNames);
  return name === undefined ? `${protocol} ${shown}` : `${protocol} ${port} ${name}`;
}

export function valueLabel(
  value: string,
  field: string,
  config: FrontendConfig,
  none: string,
): string {
  if (value === '') return none;
  const column = config.columns.find((candidate) => candidate.field === field);
  const type = config.fields.find((candidate) => candidate.name === field)?.type;
  if (column === undefined) return visible(value);
  const isNumber = type?.startsWith('number') === true && /^-?\d+(\.\d+)?$/.test(value);
  return formatCell(isNumber ? Number(value) : value, column, { config, row: {} });
}

/** The conditions that select a group; empty if a field cannot be filtered. */
export function groupTerms(
  group: readonly string[],
  grouping: Grouping,
  config: FrontendConfig,
): readonly FilterTerm[] {
  return grouping.flatMap((field, index) => {
    // Either end may be the one that serves.
    const filter = filterForField(field === SERVICE_PORT ? 'Port' : field, config.filters);
    if (filter === undefined) return [];
    const value = exactValue(group[index] ?? '', filter, config);
    return [{ id: filter.id, operator: '=', values: [value], disabled: false }];
  });
}
