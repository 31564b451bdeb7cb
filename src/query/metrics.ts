import { closest } from '../base/suggest.ts';
import type { FieldSpec } from '../flow/field.ts';
import { fieldByName } from '../flow/fields.ts';
import type { MetricQuery } from './ast.ts';
import { QUERY_ERRORS, queryError } from './errors.ts';
import { classOfKind, requireField } from './keys.ts';
import { SERVICE_PORT } from './service.ts';

/** Points of one series: more than a wide screen has columns. */
export const STEPS_MAX = 11_000;

/** Series that one query may ask for. */
export const SERIES_MAX = 10_000;

/** Fields that name a series: the resource scope has 16, and groups may be added. */
export const GROUP_FIELDS_MAX = 24;

/** What a metric adds up: flows themselves, or a numeric field of those flows that have it. */
export type Measure =
  | { readonly kind: 'flows' }
  /** Flows that have one of these fields. */
  | { readonly kind: 'flowsWith'; readonly fields: readonly FieldSpec[] }
  | { readonly kind: 'field'; readonly field: FieldSpec };

/** `Flows`, `DnsFlows` or any numeric field. */
export function measureOf(type: string): Measure {
  if (type === 'Flows') return { kind: 'flows' };
  if (type === 'DnsFlows') {
    const fields = ['DnsId', 'DnsFlagsResponseCode'].map(requireField);
    return { kind: 'flowsWith', fields };
  }
  const field = fieldByName(type);
  if (field !== undefined && classOfKind(field.kind) === 'number') return { kind: 'field', field };
  const known = ['Bytes', 'Packets', 'Flows', 'DnsFlows', 'PktDropBytes', 'TimeFlowRttNs'];
  const meant = field === undefined ? closest(type, known) : undefined;
  throw queryError(
    QUERY_ERRORS.metric,
    `${type} is no metric; use Flows, DnsFlows or a numeric field such as Bytes` +
      (meant === undefined ? '' : `; did you mean ${meant}?`),
    { type },
  );
}

/**
 * The steps of a time series: step `i` covers `[start + i * step, start + (i + 1) * step)`, the
 * last one up to the range's end. A rate looks back over `window` whole steps.
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
