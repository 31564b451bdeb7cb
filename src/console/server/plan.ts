import { NetobservError } from '../../base/errors.ts';
import { shown } from '../../base/shown.ts';
import { closest } from '../../base/suggest.ts';
import { parseDurationMs } from '../../base/units.ts';
import { FIELDS, fieldByName } from '../../flow/fields.ts';
import { SCOPES } from '../../flow/scopes.ts';
import {
  ANY,
  type Filter,
  type Match,
  type MetricFunction,
  type MetricQuery,
  type RecordQuery,
  type TimeRange,
  type ValuesQuery,
} from '../../query/ast.ts';
import { decodeFilters, parseFilters } from '../../query/filters.ts';
import { GROUP_FIELDS_MAX, STEPS_MAX, summandOf } from '../../query/metrics.ts';
import { SERVICE_PORT } from '../../query/service.ts';
import type { FlowQuery } from '../api.ts';
import type { FrontendFacts } from './config.ts';
import { ANSWERS, AnswerError } from './errors.ts';
import {
  invalid,
  type MetricsParameters,
  RANGE_MAX_S,
  RECORDS_LIMIT_DEFAULT,
  type RecordsParameters,
  SERIES_LIMIT_DEFAULT,
  VALUES_LIMIT_DEFAULT,
  type ValuesParameters,
} from './parameters.ts';

/** The console's own default, for requests without any time. */
const RANGE_DEFAULT_S = 300;
/** Suggestions come from recent flows, as in `network-observability-console-plugin`. */
const VALUES_RANGE_DEFAULT_S = 3 * 3600;

const STEP_DEFAULT = '30s';
const RATE_INTERVAL_DEFAULT = '1m';
const STEP_MIN_MS = 1000;
/** The longest range. */
const STEP_MAX_MS = RANGE_MAX_S * 1000;
/** Maximum of series times points in one answer. */
const CELLS_MAX = 1_000_000;

const SCOPE_FIELDS = new Map(SCOPES.map((scope) => [scope.id, scope.labels]));
/** Names of fields in old links. */
const FIELD_ALIASES = new Map([
  ['droppedState', 'PktDropLatestState'],
  ['droppedCause', 'PktDropLatestDropCause'],
  ['dnsRCode', 'DnsFlagsResponseCode'],
]);

export function planRecords(
  parameters: RecordsParameters,
  nowMs: number,
  facts: FrontendFacts,
): RecordQuery {
  return {
    range: timeRange(parameters, nowMs, RANGE_DEFAULT_S),
    filter: flowFilter(parameters, recordTypes(parameters.recordType, facts)),
    packetLoss: parameters.packetLoss ?? 'all',
    limit: parameters.limit ?? RECORDS_LIMIT_DEFAULT,
  };
}

export function planMetrics(
  parameters: MetricsParameters,
  nowMs: number,
  facts: FrontendFacts,
): MetricQuery {
  const fn = parameters.function ?? 'rate';
  const stepMs = durationOf('step', parameters.step ?? STEP_DEFAULT);
  const range = stepped(timeRange(parameters, nowMs, RANGE_DEFAULT_S), stepMs, fn);
  const limit = parameters.limit ?? SERIES_LIMIT_DEFAULT;
  requireAnswerable(range, stepMs, limit);
  const rateMs = durationOf('rateInterval', parameters.rateInterval ?? RATE_INTERVAL_DEFAULT);
  const type = parameters.type ?? 'Bytes';
  blaming('type', () => summandOf(type));
  // A conversation is counted once, when it is complete.
  const conversation = parameters.recordType === 'allConnections';
  const recordType = conversation ? 'endConnection' : parameters.recordType;
  return {
    range,
    filter: flowFilter(parameters, recordTypes(recordType, facts)),
    packetLoss: parameters.packetLoss ?? 'all',
    type,
    fn,
    groupBy: groupFields(parameters.aggregateBy, parameters.groups),
    limit,
    stepMs,
    rateIntervalMs: Math.max(rateMs, stepMs),
  };
}

export function planValues(parameters: ValuesParameters, nowMs: number): ValuesQuery {
  return {
    field: fieldOf('field', parameters.field, []),
    contains: parameters.contains ?? '',
    range: timeRange(parameters, nowMs, VALUES_RANGE_DEFAULT_S),
    limit: parameters.limit ?? VALUES_LIMIT_DEFAULT,
  };
}

/** `endTime` is a whole second that still belongs to the range. */
function timeRange(
  {
    startTime,
    endTime,
    timeRange: lengthS,
  }: Pick<FlowQuery, 'startTime' | 'endTime' | 'timeRange'>,
  nowMs: number,
  defaultS: number,
): TimeRange {
  const endMs = endTime === undefined ? nowMs : (endTime + 1) * 1000;
  const untilMs = endTime === undefined ? nowMs : endTime * 1000;
  const startMs =
    startTime === undefined ? untilMs - (lengthS ?? defaultS) * 1000 : startTime * 1000;
  if (startMs < endMs) return { startMs, endMs };
  throw invalid(
    'startTime',
    endTime === undefined
      ? `startTime ${startTime} is in the future: now is ${Math.floor(nowMs / 1000)}`
      : `startTime ${startTime} must not be after endTime ${endTime}`,
  );
}

function flowFilter(parameters: FlowQuery, types: readonly string[]): Filter {
  requireStore(parameters.dataSource);
  const terms: Filter[] = [];
  if (parameters.filters !== undefined) terms.push(readFilters(parameters.filters));
  if (parameters.namespace !== undefined)
    terms.push(exactly('K8S_Namespace', [parameters.namespace]));
  if (types.length > 0) terms.push(exactly('_RecordType', types));
  const [only] = terms;
  if (terms.length > 1) return { kind: 'and', terms };
  return only ?? ANY;
}

function exactly(key: string, texts: readonly string[]): Match {
  const values = texts.map((text) => ({ kind: 'exact', text }) as const);
  return { kind: 'match', key, operator: '=', values };
}

function readFilters(text: string): Filter {
  return blaming('filters', () => parseFilters(decodeFilters(text)));
}

/** If the query layer refuses a value, the error names the parameter that it was made from. */
function blaming<T>(parameter: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof NetobservError) throw invalid(parameter, error.message, error);
    throw error;
  }
}

/** Record types to keep; empty when there is no choice. */
function recordTypes(
  wanted: FlowQuery['recordType'],
  { recordTypes: known }: FrontendFacts,
): readonly string[] {
  if (wanted === undefined && known.length <= 1) return [];
  const types =
    wanted === 'allConnections'
      ? ['newConnection', 'heartbeat', 'endConnection']
      : [wanted ?? 'flowLog'];
  const missing = types.find((type) => !known.includes(type));
  if (missing !== undefined) {
    throw invalid(
      'recordType',
      `this console has no ${missing} records: recordType must be one of ${known.join(', ')}`,
    );
  }
  return known.length <= 1 ? [] : types;
}

function requireStore(dataSource: FlowQuery['dataSource']): void {
  if (dataSource === 'loki') {
    throw new AnswerError(
      ANSWERS.dataSource,
      'no Loki is configured: dataSource must be auto or store',
      { parameter: 'dataSource', flags: { lokiDisabled: true } },
    );
  }
  if (dataSource === 'prom') {
    throw new AnswerError(
      ANSWERS.dataSource,
      'no Prometheus is configured: dataSource must be auto or store',
      { parameter: 'dataSource', flags: { promDisabled: true } },
    );
  }
}

/**
 * Starts the range on a whole step: the steps of a relative range then stay where they are while it
 * moves on, and a chart does not jitter. Sums and counts keep the requested range.
 */
function stepped(range: TimeRange, stepMs: number, fn: MetricFunction): TimeRange {
  if (fn === 'sum' || fn === 'count') return range;
  return { ...range, startMs: Math.floor(range.startMs / stepMs) * stepMs };
}

function requireAnswerable({ startMs, endMs }: TimeRange, stepMs: number, limit: number): void {
  const lengthMs = endMs - startMs;
  const points = Math.ceil(lengthMs / stepMs);
  const pointsMax = Math.min(STEPS_MAX, Math.floor(CELLS_MAX / limit));
  if (points <= pointsMax) return;
  throw invalid(
    'step',
    `a step of ${stepMs / 1000}s over this range makes ${points} points per series, and at most ` +
      `${pointsMax} are answered with limit ${limit}: step must be at least ` +
      `${Math.ceil(lengthMs / pointsMax / 1000)}s`,
  );
}

function durationOf(parameter: string, text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : parseDurationMs(text);
  if (ms !== undefined && ms >= STEP_MIN_MS && ms <= STEP_MAX_MS) return ms;
  throw invalid(
    parameter,
    `${parameter} is ${JSON.stringify(text)}: it must be a duration of at least ` +
      `${STEP_MIN_MS / 1000}s and at most ${STEP_MAX_MS / 3_600_000}h, such as 30s or 1m`,
  );
}

/** Fields that name a series; empty for `app`. */
function groupFields(aggregateBy: string, groups: string | undefined): readonly string[] {
  const fields = new Set<string>();
  const parts = aggregateBy.split(',').map((part) => part.trim());
  if (aggregateBy !== 'app') {
    for (const part of parts) {
      const scope = SCOPE_FIELDS.get(part) ?? [groupFieldOf(part)];
      for (const field of scope) fields.add(field);
    }
  }
  for (const group of groups?.split('+') ?? []) {
    for (const field of groupOf(group)) fields.add(field);
  }
  if (fields.size <= GROUP_FIELDS_MAX) return [...fields];
  throw invalid(
    'aggregateBy',
    `aggregateBy and groups name ${fields.size} fields together, ` +
      `the most is ${GROUP_FIELDS_MAX}`,
  );
}

function groupFieldOf(name: string): string {
  if (name === SERVICE_PORT.name) return name;
  return fieldOf('aggregateBy', name, ['app', SERVICE_PORT.name, ...SCOPE_FIELDS.keys()]);
}

/** Groups are named by the plural of a scope: `namespaces`. */
function groupOf(group: string): readonly string[] {
  const fields = group.endsWith('s') ? SCOPE_FIELDS.get(group.slice(0, -1)) : undefined;
  if (fields !== undefined) return fields;
  throw unknown(
    'groups',
    group,
    'group',
    [...SCOPE_FIELDS.keys()].map((id) => `${id}s`),
  );
}

function fieldOf(parameter: string, name: string, alsoKnown: readonly string[]): string {
  const field = FIELD_ALIASES.get(name) ?? name;
  if (fieldByName(field) !== undefined) return field;
  const known = [...alsoKnown, ...FIELDS.map((each) => each.name)];
  throw unknown(parameter, name, 'field', known);
}

function unknown(
  parameter: string,
  text: string,
  what: string,
  known: readonly string[],
): AnswerError {
  const meant = closest(text, known);
  return invalid(
    parameter,
    `${parameter}: there is no ${what} ${JSON.stringify(shown(text))}` +
      (meant === undefined ? '' : `, did you mean ${meant}?`),
  );
}
