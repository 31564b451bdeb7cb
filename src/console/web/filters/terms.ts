import { MATCH_OPERATORS, type MatchOperator } from '../../../query/ast.ts';
import { fieldsOfKey } from '../../../query/keys.ts';
import { comparisonOf } from '../../../query/numbers.ts';
import type { FieldConfig, FilterConfig, FrontendConfig } from '../../api.ts';
import type { FilterTerm, ViewState } from '../state/view-state.ts';

/** The part of the configuration that the filter bar needs. */
export type FilterFacts = Pick<FrontendConfig, 'filters' | 'fields'>;

/** The fields that a filter applies to: one, or both ends of a pair. */
export function fieldsOf(filter: FilterConfig, facts: FilterFacts): readonly FieldConfig[] {
  const fields = fieldsOfKey(filter.key) ?? [];
  return fields.flatMap(({ name }) => facts.fields.find((field) => field.name === name) ?? []);
}

/** Operators for the filter's field; the first one is the usual one. */
export function operatorsOf(filter: FilterConfig, facts: FilterFacts): readonly MatchOperator[] {
  return isNumeric(filter, facts) ? OF_NUMBERS : OF_TEXTS;
}

/** Negated comparisons (`!>=`) can be typed, but are not suggested. */
const OF_NUMBERS: readonly MatchOperator[] = ['=', '!=', '>=', '>', '<=', '<'];
const OF_TEXTS: readonly MatchOperator[] = ['=', '!=', '~', '!~'];

export function isNumeric(filter: FilterConfig, facts: FilterFacts): boolean {
  return fieldsOf(filter, facts).some(({ type }) => type === 'number' || type === 'number[]');
}

/**
 * Parsed parts of the typed text: the filter, the operator and the values. `src_port>=1024`,
 * `proto=tcp,udp` and the field's own name (`SrcPort=443`) are all accepted.
 */
export interface Draft {
  readonly filter: FilterConfig;
  readonly operator: MatchOperator;
  readonly rest: string;
}

const DRAFT = new RegExp(`^\\s*([\\w .&/-]+?)\\s*(${MATCH_OPERATORS.join('|')})\\s*(.*)$`, 's');

export function parseDraft(text: string, filters: readonly FilterConfig[]): Draft | undefined {
  const match = DRAFT.exec(text);
  if (match === null) return undefined;
  const filter = findFilter(match[1]!, filters);
  const operator = match[2] as MatchOperator;
  // The server rejects an operator that doesn't fit, and says which ones do.
  if (filter === undefined) return undefined;
  return { filter, operator, rest: match[3]! };
}

function findFilter(name: string, filters: readonly FilterConfig[]): FilterConfig | undefined {
  const wanted = name.toLowerCase();
  return (
    filters.find((filter) => filter.id === wanted) ??
    filters.find((filter) => filter.key.toLowerCase() === wanted) ??
    filters.find((filter) => filterLabel(filter).toLowerCase() === wanted)
  );
}

/** Name that distinguishes the source's filter from the destination's: both are called `Port`. */
export function filterLabel(filter: FilterConfig): string {
  const prefix = CATEGORY_PREFIX[filter.category];
  const name = filter.name;
  return prefix === '' || name.toLowerCase().includes(prefix.toLowerCase())
    ? name
    : `${prefix} ${name}`;
}

const CATEGORY_PREFIX: Readonly<Record<FilterConfig['category'], string>> = {
  common: '',
  endpoint: 'Any',
  source: 'Source',
  destination: 'Destination',
};

/** Filters whose name, id or key contain the text; those that start with it come first. */
export function matchFilters(
  text: string,
  filters: readonly FilterConfig[],
): readonly FilterConfig[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return filters;
  const words = (filter: FilterConfig): readonly string[] => [
    filterLabel(filter).toLowerCase(),
    filter.name.toLowerCase(),
    filter.id,
    filter.key.toLowerCase(),
  ];
  const rank = (filter: FilterConfig): number => {
    const all = words(filter);
    if (all.includes(wanted)) return 0;
    if (all.some((word) => word.startsWith(wanted))) return 1;
    return all.some((word) => word.includes(wanted)) ? 2 : 3;
  };
  return filters
    .map((filter) => ({ filter, rank: rank(filter) }))
    .filter((entry) => entry.rank < 3)
    .sort((a, b) => a.rank - b.rank)
    .map((entry) => entry.filter);
}

/** Values of a comma list; commas within quotes belong to the value. */
export function splitValues(text: string): readonly string[] {
  const parts = text.match(/(?:"[^"]*"|[^,"])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

/** An exact match of a picked or clicked value, in the query's notation. */
export function exactValue(value: unknown, filter: FilterConfig, facts: FilterFacts): string {
  if (value === undefined || value === null || value === '') return '""';
  // Numbers and addresses are compared whole anyway; quotes would only be noise.
  const whole = fieldsOf(filter, facts).some(
    (field) => field.type === 'number' || field.format !== undefined,
  );
  return whole ? String(value) : `"${value}"`;
}

/** The list with a condition added; values for the same filter and operator are joined. */
export function addTerm(terms: readonly FilterTerm[], added: FilterTerm): readonly FilterTerm[] {
  const index = terms.findIndex(
    (term) => term.id === added.id && term.operator === added.operator && !term.disabled,
  );
  const present = terms[index];
  if (present === undefined) return [...terms, added];
  // One of two bounds of a kind would have no effect, so the second replaces the first.
  const values =
    comparisonOf(added.operator) === undefined
      ? [...new Set([...present.values, ...added.values])]
      : added.values;
  return terms.with(index, { ...present, values });
}

/**
 * The `filters` parameter of the API: `SrcPort=443,80&Proto!=17`, without disabled terms. A term
 * that the configuration doesn't know, such as of a feature that is off here, is passed on: the
 * server then reports it. Without it, the page would show other flows than it says.
 */
export function toQueryText(
  view: Pick<ViewState, 'filters' | 'match'>,
  configs: readonly FilterConfig[],
): string {
  const byId = new Map(configs.map((config) => [config.id, config]));
  const parts: string[] = [];
  for (const term of view.filters) {
    if (term.disabled) continue;
    parts.push(
      `${byId.get(term.id)?.key ?? term.id}${term.operator}${term.values.map(printValue).join(',')}`,
    );
  }
  const text = parts.join(view.match === 'all' ? '&' : '|');
  // The server undoes one encoding when it sees a percent sign.
  return text.includes('%') ? encodeURIComponent(text) : text;
}

/**
 * The query text has no escapes, so special characters must be quoted. A value with a quote or a
 * control character cannot be quoted; it becomes a pattern with wildcards for those.
 */
function printValue(value: string): string {
  if (/^[\w\-.*:/@+]+$/.test(value)) return value;
  const inner = /^"(.*)"$/s.exec(value)?.[1] ?? value;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they cannot be quoted.
  return /["\u0000-\u001f]/.test(inner) ? inner.replace(/[^\w\-.:/@+]+/g, '*') : `"${inner}"`;
}

/** Groups chips that belong together. */
export function groupTerms(
  terms: readonly FilterTerm[],
  configs: readonly FilterConfig[],
): readonly { readonly category: FilterConfig['category']; readonly indices: readonly number[] }[] {
  const order: readonly FilterConfig['category'][] = [
    'source',
    'destination',
    'endpoint',
    'common',
  ];
  const byId = new Map(configs.map((config) => [config.id, config]));
  const categoryOf = (term: FilterTerm) => byId.get(term.id)?.category ?? 'common';
  return order.flatMap((category) => {
    const indices = terms.flatMap((term, index) => (categoryOf(term) === category ? [index] : []));
    return indices.length === 0 ? [] : [{ category, indices }];
  });
}

/** The filter that matches a field's value, for clicks on cells and bars. */
export function filterForField(
  field: string,
  configs: readonly FilterConfig[],
): FilterConfig | undefined {
  return configs.find((config) => config.key === field);
}
