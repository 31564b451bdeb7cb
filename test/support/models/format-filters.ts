import type { Filter, Match, MatchValue } from '../../../src/query/ast.ts';
import { FILTER_TERMS_MAX } from '../../../src/query/filters.ts';

/** The text of a filter; `parseFilters` turns it into a filter with the same meaning. */
export function formatFilters(filter: Filter): string {
  const groups = groupsOf(filter);
  if (groups.length === 0) {
    throw new Error('a filter that matches nothing has no text');
  }
  // A group without terms holds for every flow, and so does the whole filter.
  if (groups.some((group) => group.length === 0)) return '';
  return groups.map((group) => group.map(formatMatch).join('&')).join('|');
}

/** Disjunctive normal form, the only form that the text can express. */
function groupsOf(filter: Filter): readonly (readonly Match[])[] {
  if (filter.kind === 'match') return [[filter]];
  if (filter.kind === 'or') return bounded(filter.terms.flatMap(groupsOf));
  let groups: readonly (readonly Match[])[] = [[]];
  for (const term of filter.terms) {
    const added = groupsOf(term);
    groups = bounded(groups.flatMap((group) => added.map((more) => [...group, ...more])));
  }
  return groups;
}

function bounded<T>(groups: readonly T[]): readonly T[] {
  if (groups.length <= FILTER_TERMS_MAX) return groups;
  throw new Error(`the filter needs more than ${FILTER_TERMS_MAX} groups when written as text`);
}

function formatMatch(match: Match): string {
  return match.key + match.operator + match.values.map(formatValue).join(',');
}

function formatValue(value: MatchValue): string {
  switch (value.kind) {
    case 'empty':
      return '""';
    case 'exact':
      return `"${value.text}"`;
    case 'pattern':
      return value.text;
  }
}
