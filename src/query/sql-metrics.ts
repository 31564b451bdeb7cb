import type { FieldSpec } from '../flow/field.ts';
import type { MetricFunction, MetricQuery } from './ast.ts';
import { groupsOf, type Steps, type Summand, stepsOf, summandOf } from './metrics.ts';
import { isDuration } from './numbers.ts';
import { printServicePort, SERVICE_PORT } from './service.ts';
import {
  dictionaryOf,
  printWhere,
  quoted,
  SqlContext,
  type SqlTables,
  type Statement,
  TIME_FIELD,
} from './sql.ts';
import { isList, printMembers } from './sql-members.ts';
import { printNumberText } from './sql-records.ts';

/**
 * Time series as one statement: flows are grouped by step and by ids, the groups are named, and
 * groups with the same name are merged, because a name may have several ids. The largest series are
 * picked over the whole range, and only their steps are returned.
 *
 * A flow belongs to a series for each member of the lists that name it.
 *
 * Columns of the answer: `rank` from 1, the names `k0 …`, the step `b`, the value `v`. One series
 * more than the limit, to show that some were left out.
 */
export function printMetrics(query: MetricQuery, tables: SqlTables): Statement {
  const steps = stepsOf(query);
  const groups = groupsOf(query);
  const context = new SqlContext(tables);
  const names = groups.map((_, index) => `k${index}`);
  const grouped = isHolistic(query.fn)
    ? printHolistic(context, query, steps, groups)
    : printMergeable(context, query, steps, groups);
  const key = names.length === 0 ? '' : `${names.join(', ')}, `;
  const by = names.length === 0 ? '' : ` GROUP BY ${names.join(', ')}`;
  const order = query.fn === 'min' ? 'ASC' : 'DESC';
  const on = names.length === 0 ? 'true' : names.map((k) => `s.${k} = t.${k}`).join(' AND ');
  const limit = context.value(query.limit + 1);
  const sql =
    `WITH s AS MATERIALIZED (${grouped.series}), ` +
    `total AS (${grouped.totals(key, by)}), ` +
    `t AS (SELECT *, row_number() OVER (ORDER BY total ${order} NULLS LAST${names.map((k) => `, ${k}`).join('')}) AS rank ` +
    `FROM total WHERE total IS NOT NULL) ` +
    `SELECT t.rank::DOUBLE AS rank, ${names.map((k) => `t.${k}, `).join('')}s.b::DOUBLE AS b, ` +
    `s.v::DOUBLE AS v FROM t LEFT JOIN s ON ${on} ` +
    `WHERE t.rank <= ${limit}::BIGINT ORDER BY t.rank, s.b`;
  return { sql, params: context.params };
}

interface Grouped {
  /** One row per step and name: `b`, the names, `v` and the inputs of the totals. */
  readonly series: string;
  /** One row per name: the value that ranks it. */
  readonly totals: (key: string, by: string) => string;
}

function isHolistic(fn: MetricFunction): fn is 'p90' | 'p99' {
  return fn === 'p90' || fn === 'p99';
}

/** Partial results per id, their merge per name, the values of a step and of the range. */
const TOTALS = {
  count: 'sum(n)',
  sum: 'sum(a)',
  // Steps before the range only serve the look-back. A WHERE would not do: the database would push
  // it down to the flows and compute the step of each flow twice.
  rate: 'sum(a) FILTER (WHERE b >= 0)',
  avg: 'sum(a) / sum(n)',
  min: 'min(lo)',
  max: 'max(hi)',
} as const;

const STEP_VALUES = {
  count: 'n',
  sum: 'a',
  rate: 'a',
  avg: 'a / n',
  min: 'lo',
  max: 'hi',
} as const;

const PARTIALS = {
  count: 'count(x)::DOUBLE AS n',
  sum: 'sum(x) AS a',
  rate: 'sum(x) AS a',
  avg: 'sum(x) AS a, count(x)::DOUBLE AS n',
  min: 'min(x) AS lo',
  max: 'max(x) AS hi',
} as const;

const MERGES = {
  count: 'sum(n) AS n',
  sum: 'sum(a) AS a',
  rate: 'sum(a) AS a',
  avg: 'sum(a) AS a, sum(n) AS n',
  min: 'min(lo) AS lo',
  max: 'max(hi) AS hi',
} as const;

function printMergeable(
  context: SqlContext,
  query: MetricQuery,
  steps: Steps,
  groups: readonly FieldSpec[],
): Grouped {
  const fn = query.fn as keyof typeof TOTALS;
  const keys = groups.map((_, index) => `g${index}`);
  const rows = printRows(context, query, steps, groups);
  const by = ['b', ...keys].join(', ');
  const counted = `SELECT ${by}, ${PARTIALS[fn]} FROM (${rows}) AS r GROUP BY ${by}`;
  const step = `c.b::INTEGER - ${steps.window - 1} AS b`;
  const named = printNames(context, groups, [step], MERGES[fn], counted, true);
  return {
    series: `SELECT *, ${STEP_VALUES[fn]} AS v FROM (${named}) AS named`,
    totals: (key, by) => `SELECT ${key}${TOTALS[fn]} AS total FROM s${by}`,
  };
}

/**
 * Ratio of two neighbouring bounds of a histogram's buckets. A bucket stands for the mean of its
 * values: a quantile is wrong by less than 1 %, and exact where a bucket has one value. Unlike
 * sketches and lists of values, counts of buckets can be merged, and the database accounts for
 * their memory.
 */
const BUCKET_RATIO = 1.01;

/** Buckets of numbers from 5e-324 to 1.8e308 are from -74,820 to 71,334; these are beyond. */
const ZERO_BUCKET = -500_000;
const NEGATIVE_BUCKETS = -1_000_000;

function printBucket(value: string): string {
  const bucket = (of: string): string => `floor(ln(${of}) / ${Math.log(BUCKET_RATIO)})`;
  return (
    `TRY_CAST(CASE WHEN ${value} > 0 THEN ${bucket(value)} WHEN ${value} = 0 THEN ${ZERO_BUCKET} ` +
    `ELSE ${NEGATIVE_BUCKETS} - ${bucket(`-${value}`)} END AS INTEGER)`
  );
}

function printHolistic(
  context: SqlContext,
  query: MetricQuery,
  steps: Steps,
  groups: readonly FieldSpec[],
): Grouped {
  const quantile = query.fn === 'p90' ? 0.9 : 0.99;
  const ids = groups.map((_, index) => `g${index}`);
  const keys = groups.map((_, index) => `k${index}`);
  const rows = printRows(context, query, steps, groups);
  const bucketed = `SELECT ${['b', ...ids].join(', ')}, ${printBucket('x')} AS h, x FROM (${rows}) AS r`;
  const counted =
    `SELECT ${['b', 'h', ...ids].join(', ')}, count(*)::DOUBLE AS n, sum(x) AS a ` +
    `FROM (${bucketed}) AS r GROUP BY ALL`;
  const named = printNames(context, groups, ['b', 'h'], 'sum(n) AS n, sum(a) AS a', counted, true);
  const set = ['b', ...keys].join(', ');
  const sets = [
    ['b', 'h', ...keys],
    ['h', ...keys],
  ]
    .map((of) => `(${of.join(', ')})`)
    .join(', ');
  const merged =
    `SELECT ${set}, h, sum(n) AS n, sum(a) AS a FROM (${named}) AS named ` +
    `GROUP BY GROUPING SETS (${sets})`;
  const ranked =
    `SELECT ${set}, n, a / n AS mean, sum(n) OVER (PARTITION BY ${set} ORDER BY h) AS upto, ` +
    `(sum(n) OVER (PARTITION BY ${set}) - 1) * ${quantile} AS nth FROM (${merged}) AS merged`;
  // Interpolates between the two values around the quantile, as in a sorted list.
  const value =
    'sum(mean * (CASE WHEN floor(nth) >= upto - n AND floor(nth) < upto ' +
    'THEN 1 - (nth - floor(nth)) ELSE 0 END + ' +
    'CASE WHEN ceil(nth) >= upto - n AND ceil(nth) < upto THEN nth - floor(nth) ELSE 0 END))';
  return {
    // Quantiles cannot be merged, so the totals are a second grouping: their rows have no step.
    series: `SELECT ${set}, ${value} AS v FROM (${ranked}) AS ranked GROUP BY ${set}`,
    totals: (key, by) => `SELECT ${key}max(v) FILTER (WHERE b IS NULL) AS total FROM s${by}`,
  };
}

/** One row per flow that has the metric: step `b`, value `x`, ids or numbers `g0 …`. */
function printRows(
  context: SqlContext,
  query: MetricQuery,
  steps: Steps,
  groups: readonly FieldSpec[],
): string {
  const { startMs, endMs } = query.range;
  const lookBackMs = (steps.window - 1) * query.stepMs;
  const range = { startMs: startMs - lookBackMs, endMs };
  const where = printWhere(context, range, query.filter, query.packetLoss);
  const value = printSummand(context, summandOf(query.type));
  const keys = groups.map((field, index) => `, ${printKey(context, field)} AS g${index}`).join('');
  return (
    `SELECT ${printStep(context, query, steps)} AS b, ${value.sql} AS x${keys} ` +
    `FROM ${context.facts()} AS f WHERE ${where}${value.where}`
  );
}

function printKey(context: SqlContext, field: FieldSpec): string {
  return field === SERVICE_PORT ? printServicePort(context) : context.column(field);
}

/** The step of a flow, counted from the first step that a rate looks back to. */
function printStep(context: SqlContext, query: MetricQuery, steps: Steps): string {
  const total = steps.count + steps.window - 1;
  // A single step avoids the division per row, and small numbers make smaller groups.
  if (total === 1) return '0';
  const start = context.value(query.range.startMs - (steps.window - 1) * query.stepMs);
  const step = context.value(query.stepMs);
  const type = total <= 256 ? 'UTINYINT' : 'INTEGER';
  return `floor((${quoted(TIME_FIELD)} - ${start}::DOUBLE) / ${step}::DOUBLE)::${type}`;
}

function printSummand(
  context: SqlContext,
  { field, having }: Summand,
): { readonly sql: string; readonly where: string } {
  const any = having.map((each) => printPresent(context, each)).join(' OR ');
  const where = any === '' ? '' : ` AND (${any})`;
  if (field === undefined) return { sql: '1::DOUBLE', where };
  const column = context.column(field);
  // A duration of 0 means that nothing was measured.
  const measured = isDuration(field) ? ` AND ${column} <> 0` : '';
  return { sql: `${column}::DOUBLE`, where: `${where} AND ${column} IS NOT NULL${measured}` };
}

function printPresent(context: SqlContext, field: FieldSpec): string {
  const column = context.column(field);
  return dictionaryOf(field.kind) === undefined ? `${column} IS NOT NULL` : `${column} <> 0`;
}

/** Replaces the ids `g0 …` by names `k0 …`, and merges groups with the same name. */
function printNames(
  context: SqlContext,
  groups: readonly FieldSpec[],
  kept: readonly string[],
  merged: string,
  from: string,
  group: boolean,
): string {
  const members = printMembers(context, groups, from);
  const names: string[] = [];
  const joins: string[] = [];
  for (const [index, field] of groups.entries()) {
    const dictionary = dictionaryOf(field.kind);
    if (isList(field)) {
      names.push(`u${index} AS k${index}`);
      continue;
    }
    if (dictionary === undefined) {
      names.push(`coalesce(${printNumberText(`g${index}`)}, '') AS k${index}`);
      continue;
    }
    joins.push(
      ` LEFT JOIN ${context.tables.dictionary(dictionary)} AS d${index} ON d${index}.id = g${index}`,
    );
    names.push(`coalesce(d${index}.value, '') AS k${index}`);
  }
  const select = [...kept, ...names, ...(merged === '' ? [] : [merged])].join(', ');
  const by = group ? ' GROUP BY ALL' : '';
  return `SELECT ${select} FROM (${members}) AS c${joins.join('')}${by}`;
}
