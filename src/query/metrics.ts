import { closest } from '../base/suggest.ts';
import type { FieldSpec } from '../flow/field.ts';
import { fieldByName } from '../flow/fields.ts';
import { MEASURES, measureById } from '../flow/measures.ts';
import type { MetricQuery } from './ast.ts';
import { QUERY_ERRORS, queryError } from './errors.ts';
import { classOfKind, requireField } from './keys.ts';
import { SERVICE_PORT } from './service.ts';

/** Most points of one series: more than a wide screen has columns. */
export const STEPS_MAX = 11_000;

/** Most series that one query may request. */
export const SERIES_MAX = 10_000;

/** Most fields that name a series: the resource scope has 16, and groups may be added. */
export const GROUP_FIELDS_MAX = 24;

/** The amount that each flow adds to a metric. */
export interface Summand {
  /** A numeric field; flows without it add nothing. Undefined: each flow counts 1. */
  readonly field: FieldSpec | undefined;
  /** Only flows that have one of these fields; empty: all. */
  readonly having: readonly FieldSpec[];
}

/** The summand of a measure of the table, or of any numeric field. */
export function summandOf(type: string): Summand {
  const measure = measureById(type);
  if (measure !== undefined) {
    const field = measure.field === undefined ? undefined : requireField(measure.field);
    return { field, having: (measure.having ?? []).map(requireField) };
  }
  const field = fieldByName(type);
  if (field !== undefined && classOfKind(field.kind) === 'number') return { field, having: [] };
  const known = MEASURES.map(({ id }) => id);
  const meant = field === undefined ? closest(type, known) : undefined;
  throw queryError(
    QUERY_ERRORS.metric,
    `${type} is not a metric; use one of ${known.join(', ')} or any numeric field` +
      (meant === undefined ? '' : `; did you mean ${meant}?`),
    { type },
  );
}

/**
 * The steps of a time series: step `i` covers `[start + i * step, start + (i + 1) * step)`, the
 * last one ends with the range. A rate looks back over `window` whole steps.
 */
export interface Steps {
  readonly count: number;
  readonly window: number;
}

export function stepsOf(query: MetricQuery): Steps {
  const { startMs, endMs } = query.range;
  if (!(endMs > startMs)) {
    throw queryError(
      QUERY_ERRORS.range,
      `the time range from ${startMs} to ${endMs} is empty; the end must be after the start`,
    );
  }
  if (!(query.stepMs >= 1)) {
    throw queryError(QUERY_ERRORS.range, `the step of ${query.stepMs} ms is under 1 ms`);
  }
  const count = Math.ceil((endMs - startMs) / query.stepMs);
  if (count > STEPS_MAX) {
    throw queryError(
      QUERY_ERRORS.range,
      `the range holds ${count} steps, at most ${STEPS_MAX} are answered; use a longer step`,
    );
  }
  const window = query.fn === 'rate' ? Math.ceil(query.rateIntervalMs / query.stepMs) : 1;
  return { count, window: Math.min(Math.max(1, window), STEPS_MAX) };
}

/** The fields that name a series. */
export function groupsOf(query: MetricQuery): readonly FieldSpec[] {
  if (query.groupBy.length > GROUP_FIELDS_MAX) {
    throw queryError(QUERY_ERRORS.limit, `at most ${GROUP_FIELDS_MAX} fields can name a series`);
  }
  if (!(query.limit >= 1 && query.limit <= SERIES_MAX)) {
    throw queryError(QUERY_ERRORS.limit, `the limit must be from 1 to ${SERIES_MAX} series`);
  }
  return query.groupBy.map((name) =>
    name === SERVICE_PORT.name ? SERVICE_PORT : requireField(name),
  );
}
