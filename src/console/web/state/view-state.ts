import type { TrafficMeasureId } from '../../../flow/measures.ts';
import type { MatchOperator } from '../../../query/ast.ts';

/**
 * Contents of the address bar: everything that determines the view, except the theme and other
 * preferences. Two people with the same link see the same thing.
 */
export interface ViewState {
  readonly tab: Tab;
  readonly range: Range;
  readonly refresh: Refresh;
  /** Undefined for the reader's preference. */
  readonly zone: Zone | undefined;
  readonly filters: readonly FilterTerm[];
  readonly match: 'all' | 'any';
  /** Column ids of the flow table in their order; undefined for the configuration's default. */
  readonly columns: readonly string[] | undefined;
  readonly sort: Sort;
  /** Flows that the table requests. */
  readonly limit: number;
  /** Fields that split the rate charts. */
  readonly groupBy: Grouping;
  /** Groupings of the top-talker panels, in their order. */
  readonly panels: readonly Grouping[];
  /** Measure that ranks the groups of the top-talker panels. */
  readonly metric: TrafficMeasureId;
  /** Maximum of series in a chart and bars in a panel. */
  readonly top: number;
}

export const TABS = ['overview', 'flows'] as const;
export type Tab = (typeof TABS)[number];

/** One to four field names. */
export type Grouping = readonly string[];

/** Epoch seconds if absolute; `last` counts back from now. */
export type Range =
  | { readonly kind: 'last'; readonly seconds: number }
  | { readonly kind: 'between'; readonly startS: number; readonly endS: number };

/** The browser's time, UTC, or that of the server's clock. */
export const ZONES = ['local', 'utc', 'server'] as const;
export type Zone = (typeof ZONES)[number];

/** `live` follows the server's events; a number is a period in seconds. */
export type Refresh = 'live' | 'off' | number;

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

/** One condition of the filter bar; values as in the query text: `"exact"`, `a*b`, `""`. */
export interface FilterTerm {
  /** A filter id of the configuration, such as `src_port`. */
  readonly id: string;
  readonly operator: MatchOperator;
  /** Never empty. */
  readonly values: readonly string[];
  /** Shown, but not applied. */
  readonly disabled: boolean;
}

export const LAST_SECONDS: readonly number[] = [
  300, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
];
export const REFRESH_SECONDS: readonly number[] = [15, 30, 60, 300, 900, 1800];
export const LIMITS: readonly number[] = [100, 500, 1000, 5000];
export const TOPS: readonly number[] = [5, 10, 15];

export const DEFAULT_VIEW: ViewState = {
  tab: 'overview',
  range: { kind: 'last', seconds: 300 },
  refresh: 'live',
  zone: undefined,
  filters: [],
  match: 'all',
  columns: undefined,
  sort: { column: 'EndTime', descending: true },
  limit: 500,
  groupBy: ['SrcAddr'],
  panels: [
    ['SrcAddr'],
    ['DstAddr'],
    ['SrcAddr', 'DstAddr'],
    ['Proto', 'ServicePort'],
    ['Interfaces'],
    ['Proto'],
  ],
  metric: 'Bytes',
  top: 5,
};

/** An absolute range never changes by itself, so there is nothing to refresh. */
export function effectiveRefresh(view: ViewState): Refresh {
  return view.range.kind === 'between' ? 'off' : view.refresh;
}
