/**
 * A user's query to a flow store, independent of the store. Printers turn it into SQL, LogQL or
 * PromQL; the console's `filters` parameter and the CLI's expressions are parsed into it.
 */

/**
 * Longest first, so that a reader does not take `>=` for `>`. An operator that starts with `!`
 * negates the rest: flows without the field match, so `Bytes!>=10` finds them and `Bytes<10` does
 * not.
 */
export const MATCH_OPERATORS = [
  '!>=',
  '!<=',
  '!=',
  '!~',
  '!>',
  '!<',
  '>=',
  '<=',
  '=',
  '~',
  '>',
  '<',
] as const;

export type MatchOperator = (typeof MATCH_OPERATORS)[number];

/**
 * One value of a comma list. `exact` values were quoted; `pattern` values contain `*` wildcards or
 * are bare text, which matches anywhere in a string; `empty` is `""`: the field is absent or empty.
 */
export type MatchValue =
  | { readonly kind: 'exact'; readonly text: string }
  | { readonly kind: 'pattern'; readonly text: string }
  | { readonly kind: 'empty' };

/** A field and its values: one of them must match, or none with `!`. */
export interface Match {
  readonly kind: 'match';
  /** A field name, or the common suffix of a pair: `Port` covers SrcPort and DstPort. */
  readonly key: string;
  readonly operator: MatchOperator;
  readonly values: readonly MatchValue[];
}

export interface And {
  readonly kind: 'and';
  readonly terms: readonly Filter[];
}

export interface Or {
  readonly kind: 'or';
  readonly terms: readonly Filter[];
}

export type Filter = Match | And | Or;

/** Matches every flow. */
export const ANY: Filter = { kind: 'and', terms: [] };

/** Half-open, epoch milliseconds, on the flow's end time. */
export interface TimeRange {
  readonly startMs: number;
  readonly endMs: number;
}

export type PacketLoss = 'dropped' | 'hasDrops' | 'sent' | 'all';

export interface RecordQuery {
  readonly range: TimeRange;
  readonly filter: Filter;
  readonly packetLoss: PacketLoss;
  /** Newest first, at most this many rows. */
  readonly limit: number;
  /** Fields to return; absent: all. */
  readonly fields?: readonly string[];
}

export type MetricFunction = 'count' | 'sum' | 'avg' | 'min' | 'max' | 'p90' | 'p99' | 'rate';

export interface MetricQuery {
  readonly range: TimeRange;
  readonly filter: Filter;
  readonly packetLoss: PacketLoss;
  /** `Bytes`, `Packets`, `Flows`, … or any numeric field. */
  readonly type: string;
  readonly fn: MetricFunction;
  /**
   * Fields, or `ServicePort`, that name a series; empty: one series for all flows (`app`). Each
   * member of a list names one.
   */
  readonly groupBy: readonly string[];
  /** Number of series kept, largest first (smallest for `min`). */
  readonly limit: number;
  readonly stepMs: number;
  /** Window of `rate`, at least one step. */
  readonly rateIntervalMs: number;
}

export interface ValuesQuery {
  readonly field: string;
  /** Only values that contain this text, ignoring case. */
  readonly contains: string;
  readonly range: TimeRange;
  readonly limit: number;
}

/** One flow: external field names; absent fields are absent. Numbers are in the fields' units. */
export type FlowRow = Readonly<Record<string, unknown>>;

export interface RecordResult {
  readonly rows: readonly FlowRow[];
  /** True when rows were left out because of `limit`. */
  readonly limitReached: boolean;
}

export interface Series {
  /** Value of each group-by field, one member of a list; empty text where the flows had none. */
  readonly labels: Readonly<Record<string, string>>;
  /**
   * Pairs of epoch seconds and value, ascending. A step without flows is 0 for sums and rates,
   * absent otherwise.
   */
  readonly points: readonly (readonly [number, number])[];
}

export interface MetricResult {
  readonly series: readonly Series[];
  readonly limitReached: boolean;
}
