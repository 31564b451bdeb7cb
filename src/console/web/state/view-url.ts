import { TRAFFIC_MEASURES } from '../../../flow/measures.ts';
import { MATCH_OPERATORS } from '../../../query/ast.ts';
import {
  DEFAULT_VIEW,
  type FilterTerm,
  type Grouping,
  LIMITS,
  type Range,
  type Refresh,
  type Sort,
  TABS,
  TOPS,
  type ViewState,
  ZONES,
} from './view-state.ts';

/**
 * Converts the view to a query string and back. Default values are omitted, so that links stay
 * short; unreadable values become the default, so that an old or mistyped link still opens.
 */
export function encodeView(view: ViewState): string {
  const parts: string[] = [];
  const put = (name: string, value: string, fallback: string): void => {
    if (value !== fallback) parts.push(`${name}=${encodeQuery(value)}`);
  };
  const base = DEFAULT_VIEW;
  put('tab', view.tab, base.tab);
  if (view.range.kind === 'between') {
    put('startTime', String(view.range.startS), '');
    put('endTime', String(view.range.endS), '');
  } else {
    put('timeRange', String(view.range.seconds), encodeRangeDefault());
  }
  put('refresh', String(view.refresh), String(base.refresh));
  put('zone', view.zone ?? '', '');
  put('filters', encodeTerms(view.filters), '');
  put('match', view.match, base.match);
  put('columns', view.columns === undefined ? '' : encodeList(view.columns), '');
  put('sort', encodeSort(view.sort), encodeSort(base.sort));
  put('limit', String(view.limit), String(base.limit));
  put('groupBy', encodeList(view.groupBy), encodeList(base.groupBy));
  put('panels', encodePanels(view.panels), encodePanels(base.panels));
  put('type', view.metric, base.metric);
  put('top', String(view.top), String(base.top));
  return parts.join('&');
}

export function decodeView(search: string): ViewState {
  const query = new URLSearchParams(search);
  const base = DEFAULT_VIEW;
  const columns = decodeList(query.get('columns') ?? '');
  return {
    tab: pick(TABS, query.get('tab')) ?? base.tab,
    range: decodeRange(query),
    refresh: decodeRefresh(query.get('refresh')) ?? base.refresh,
    zone: pick(ZONES, query.get('zone')),
    filters: decodeTerms(query.get('filters') ?? ''),
    match: pick(['all', 'any'] as const, query.get('match')) ?? base.match,
    columns: columns.length > 0 ? columns : undefined,
    sort: decodeSort(query.get('sort')) ?? base.sort,
    limit: LIMITS.find((limit) => String(limit) === query.get('limit')) ?? base.limit,
    groupBy: decodeGrouping(query.get('groupBy') ?? '') ?? base.groupBy,
    panels: decodePanels(query.get('panels')) ?? base.panels,
    metric: pick(TRAFFIC_MEASURES, query.get('type')) ?? base.metric,
    top: TOPS.find((top) => String(top) === query.get('top')) ?? base.top,
  };
}

/** `-` in front marks a disabled term: `src_port=443,80;-proto!="TCP"`. */
export function encodeTerms(terms: readonly FilterTerm[]): string {
  return terms
    .map((term) => {
      const values = term.values.map(escapeValue).join(',');
      return `${term.disabled ? '-' : ''}${term.id}${term.operator}${values}`;
    })
    .join(';');
}

const TERM = new RegExp(`^(-?)([a-zA-Z0-9_]+)(${MATCH_OPERATORS.join('|')})(.*)$`, 's');

export function decodeTerms(text: string): readonly FilterTerm[] {
  const terms: FilterTerm[] = [];
  for (const part of text.split(';')) {
    const match = TERM.exec(part);
    if (match === null) continue;
    const operator = pick(MATCH_OPERATORS, match[3]);
    if (operator === undefined) continue;
    const values = match[4]!.split(',').map(unescapeValue);
    terms.push({ id: match[2]!, operator, values, disabled: match[1] === '-' });
  }
  return terms;
}

/** Separators inside a value are percent-encoded a second time. */
function escapeValue(value: string): string {
  return value.replace(/[%,;]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

function unescapeValue(value: string): string {
  return value.replace(/%(25|2C|3B)/gi, (_all, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Percent-encodes less than encodeURIComponent does: these characters are safe in a query. */
function encodeQuery(text: string): string {
  return encodeURIComponent(text).replace(/%(2C|3A|3B|3D|2F|7E|21|2A)/g, (code) =>
    decodeURIComponent(code),
  );
}

function encodeRangeDefault(): string {
  return DEFAULT_VIEW.range.kind === 'last' ? String(DEFAULT_VIEW.range.seconds) : '';
}

function decodeRange(query: URLSearchParams): Range {
  const startS = decodeInteger(query.get('startTime'));
  const endS = decodeInteger(query.get('endTime'));
  if (startS !== undefined && endS !== undefined && startS < endS && endS <= LAST_INSTANT_S) {
    return { kind: 'between', startS, endS };
  }
  const seconds = decodeInteger(query.get('timeRange'));
  return seconds === undefined || seconds === 0 || seconds > RANGE_MAX_S
    ? DEFAULT_VIEW.range
    : { kind: 'last', seconds };
}

/** The server's limit: a hundred years. */
const RANGE_MAX_S = 100 * 365 * 86_400;
/** Limit of times, so that years have the four digits that people write. */
const LAST_INSTANT_S = Date.UTC(9999, 11, 31) / 1000;

function decodeRefresh(text: string | null): Refresh | undefined {
  if (text === 'live' || text === 'off') return text;
  const seconds = decodeInteger(text);
  // More frequent queries help nobody, and a typing error must not flood the server.
  return seconds === undefined || seconds < MIN_REFRESH_S ? undefined : seconds;
}

const MIN_REFRESH_S = 5;

function encodeSort(sort: Sort): string {
  return `${sort.descending ? '-' : ''}${sort.column}`;
}

function decodeSort(text: string | null): Sort | undefined {
  const match = /^(-?)(\w+)$/.exec(text ?? '');
  return match === null ? undefined : { column: match[2]!, descending: match[1] === '-' };
}

function encodeList(names: readonly string[]): string {
  return names.join(',');
}

/** Field and column names are words, so that nothing needs escaping. */
function decodeList(text: string): readonly string[] {
  return [...new Set(text.split(',').filter((name) => /^\w+$/.test(name)))];
}

const GROUPING_FIELDS_MAX = 4;

function decodeGrouping(text: string): Grouping | undefined {
  const names = decodeList(text).slice(0, GROUPING_FIELDS_MAX);
  return names.length > 0 ? names : undefined;
}

function encodePanels(panels: readonly Grouping[]): string {
  return panels.map(encodeList).join(';');
}

const PANELS_MAX = 12;

function decodePanels(text: string | null): readonly Grouping[] | undefined {
  if (text === null) return undefined;
  const panels = text.split(';').flatMap((part) => {
    const grouping = decodeGrouping(part);
    return grouping === undefined ? [] : [grouping];
  });
  return panels.length > 0 ? panels.slice(0, PANELS_MAX) : undefined;
}

function decodeInteger(text: string | null): number | undefined {
  if (text === null || !/^\d{1,12}$/.test(text)) return undefined;
  return Number(text);
}

function pick<Word extends string>(words: readonly Word[], text: string | null | undefined) {
  return words.find((word) => word === text);
}
