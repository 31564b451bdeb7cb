import type { MatchOperator } from '../../../query/ast.ts';
import { fieldsOfKey } from '../../../query/keys.ts';
import { comparisonOf } from '../../../query/numbers.ts';
import type { FilterConfig, FrontendConfig } from '../../api.ts';
import { portName, protocolName } from '../format/names.ts';
import { visible } from '../format/visible.ts';
import {
  exactValue,
  type FilterFacts,
  fieldsOf,
  filterLabel,
  isNumeric,
  matchFilters,
  operatorsOf,
  parseDraft,
  splitValues,
} from './terms.ts';

/**
 * Suggestions of the filter bar for the text typed so far: fields first, then operators, then
 * values. The text in the input is the only state, so that typing and picking can be mixed freely.
 */
export type Stage =
  | { readonly kind: 'field'; readonly text: string }
  | { readonly kind: 'operator'; readonly filter: FilterConfig }
  | {
      readonly kind: 'value';
      readonly filter: FilterConfig;
      readonly operator: MatchOperator;
      /** Values before the last comma, which are complete. */
      readonly settled: readonly string[];
      /** Text after the last comma. */
      readonly partial: string;
    };

export function stageOf(text: string, filters: readonly FilterConfig[]): Stage {
  const draft = parseDraft(text, filters);
  if (draft !== undefined) {
    const cut = lastComma(draft.rest) + 1;
    return {
      kind: 'value',
      filter: draft.filter,
      operator: draft.operator,
      settled: splitValues(draft.rest.slice(0, cut)),
      partial: draft.rest.slice(cut).trim(),
    };
  }
  // A picked field ends in a space: the operator comes next.
  const picked = /^(\S+) $/.exec(text);
  const filter = picked === null ? undefined : filters.find((one) => one.id === picked[1]);
  return filter === undefined ? { kind: 'field', text } : { kind: 'operator', filter };
}

function lastComma(text: string): number {
  let quoted = false;
  let last = -1;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (text[i] === ',' && !quoted) last = i;
  }
  return last;
}

export interface Suggestion {
  readonly key: string;
  readonly label: string;
  readonly detail: string;
  /** The input's text after picking it. */
  readonly text: string;
  /** Picking it completes the filter. */
  readonly completes: boolean;
}

/** Filters whose feature is on, or that need none. */
export function availableFilters(config: FrontendConfig): readonly FilterConfig[] {
  const features = new Set(config.features);
  return config.filters.filter(
    (filter) => filter.feature === undefined || features.has(filter.feature),
  );
}

const FIELD_SUGGESTIONS_MAX = 60;

export function fieldSuggestions(
  text: string,
  filters: readonly FilterConfig[],
): readonly Suggestion[] {
  return matchFilters(text, filters)
    .slice(0, FIELD_SUGGESTIONS_MAX)
    .map((filter) => ({
      key: filter.id,
      label: filterLabel(filter),
      detail: filter.id,
      text: `${filter.id} `,
      completes: false,
    }));
}

export function operatorSuggestions(
  filter: FilterConfig,
  facts: FilterFacts,
  explain: (operator: MatchOperator) => string,
): readonly Suggestion[] {
  return operatorsOf(filter, facts).map((operator) => ({
    key: operator,
    label: operator,
    detail: explain(operator),
    text: `${filter.id}${operator}`,
    completes: false,
  }));
}

export function valueSuggestions(
  stage: Extract<Stage, { kind: 'value' }>,
  values: readonly string[],
  config: FrontendConfig,
): readonly Suggestion[] {
  const { filter, operator, settled } = stage;
  const before = settled.map((value) => `${value},`).join('');
  return values
    .filter((value) => !settled.includes(value))
    .map((value) => ({
      key: value,
      label: visible(value),
      detail: valueDetail(filter.key, value, config),
      text: `${filter.id}${operator}${before}${quoteIfNeeded(value, filter, config)}`,
      completes: true,
    }));
}

/** A picked value is meant exactly, not as a part of longer ones. */
function quoteIfNeeded(value: string, filter: FilterConfig, facts: FilterFacts): string {
  return filter.autoCompleteAddsQuotes === true ? `"${value}"` : exactValue(value, filter, facts);
}

function valueDetail(key: string, value: string, config: FrontendConfig): string {
  if (!/^\d+$/.test(value)) return '';
  const number = Number(value);
  const field = fieldsOfKey(key)?.[0];
  if (field?.semantics === 'port') return portName(number, config.portNaming.portNames) ?? '';
  return field?.names === 'protocol' ? protocolName(number) : '';
}

/** Whether ranges of numbers can be typed at this place. */
export function takesRanges(stage: Stage, facts: FilterFacts): boolean {
  return (
    stage.kind === 'value' &&
    comparisonOf(stage.operator) === undefined &&
    isNumeric(stage.filter, facts)
  );
}

/** The field that a filter's suggestions come from; for a pair, the source's. */
export function suggestionField(filter: FilterConfig, facts: FilterFacts): string | undefined {
  return fieldsOf(filter, facts)[0]?.name;
}
