import type { FastifySchemaValidationError } from 'fastify';
import { type Static, Type } from 'typebox';
import { shown } from '../../base/shown.ts';
import { closest } from '../../base/suggest.ts';
import { FILTERS_MAX_CHARS } from '../../query/filters.ts';
import { ANSWERS, AnswerError } from './errors.ts';

/** Maximum of rows in a records answer. At some 700 bytes a row, that is about 7 MB of JSON. */
export const RECORDS_LIMIT_MAX = 10_000;
export const RECORDS_LIMIT_DEFAULT = 100;
/** Maximum of series in a metrics answer. */
export const SERIES_LIMIT_MAX = 1000;
export const SERIES_LIMIT_DEFAULT = 100;
/** Maximum of suggestions in a values answer. */
export const VALUES_LIMIT_MAX = 1000;
export const VALUES_LIMIT_DEFAULT = 50;

/** Filters that are encoded twice may need three characters for one. */
const ENCODED_FILTERS_MAX_CHARS = 3 * FILTERS_MAX_CHARS;
const TEXT_MAX_CHARS = 256;
/** Last second that a JavaScript date can hold, so that arithmetic on it stays exact. */
const EPOCH_MAX_S = 8_640_000_000_000;
export const RANGE_MAX_S = 100 * 365 * 86_400;

/*
 * The `description` of a parameter completes the sentence "limit must be …", which is shown to a
 * client that sent something else.
 */

const epochSeconds = Type.Integer({
  minimum: 0,
  maximum: EPOCH_MAX_S,
  description: 'a time in whole seconds since 1970',
});

function limit(maximum: number) {
  return Type.Integer({ minimum: 1, maximum, description: `a whole number from 1 to ${maximum}` });
}

function oneOf<const Word extends string>(words: readonly Word[]) {
  return Type.Enum([...words], { description: `one of ${words.join(', ')}` });
}

function shortText(description: string) {
  return Type.String({ maxLength: TEXT_MAX_CHARS, description });
}

const range = {
  startTime: Type.Optional(epochSeconds),
  endTime: Type.Optional(epochSeconds),
  timeRange: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: RANGE_MAX_S,
      description: 'a whole number of seconds from 1 to a hundred years',
    }),
  ),
};

const flow = {
  ...range,
  recordType: Type.Optional(
    oneOf(['flowLog', 'newConnection', 'heartbeat', 'endConnection', 'allConnections']),
  ),
  dataSource: Type.Optional(oneOf(['auto', 'loki', 'prom', 'store'])),
  filters: Type.Optional(
    Type.String({
      maxLength: ENCODED_FILTERS_MAX_CHARS,
      description: `filters of at most ${FILTERS_MAX_CHARS} characters`,
    }),
  ),
  packetLoss: Type.Optional(oneOf(['dropped', 'hasDrops', 'sent', 'all'])),
  namespace: Type.Optional(shortText('the name of a namespace')),
};

export const recordsParameters = Type.Object(
  { ...flow, limit: Type.Optional(limit(RECORDS_LIMIT_MAX)) },
  { additionalProperties: false },
);

export const metricsParameters = Type.Object(
  {
    ...flow,
    limit: Type.Optional(limit(SERIES_LIMIT_MAX)),
    aggregateBy: shortText('a scope (such as namespace), app, or fields separated by commas'),
    type: Type.Optional(shortText('a metric (such as Bytes) or a numeric field')),
    function: Type.Optional(oneOf(['count', 'sum', 'avg', 'min', 'max', 'p90', 'p99', 'rate'])),
    groups: Type.Optional(shortText('groups such as namespaces, or several joined by +')),
    rateInterval: Type.Optional(shortText('a duration such as 1m, or seconds')),
    step: Type.Optional(shortText('a duration such as 30s, or seconds')),
  },
  { additionalProperties: false },
);

export const valuesParameters = Type.Object(
  {
    ...range,
    field: shortText('the name of a field'),
    contains: Type.Optional(shortText(`a text of at most ${TEXT_MAX_CHARS} characters`)),
    limit: Type.Optional(limit(VALUES_LIMIT_MAX)),
  },
  { additionalProperties: false },
);

export const noParameters = Type.Object({}, { additionalProperties: false });

/** `/api/status` takes the tenant's namespace, as in `network-observability-console-plugin`. */
export const statusParameters = Type.Object(
  { namespace: flow.namespace },
  { additionalProperties: false },
);

export const loginBody = Type.Object(
  { token: Type.String({ minLength: 1, maxLength: 1024, description: 'the console’s token' }) },
  { additionalProperties: false },
);

export type RecordsParameters = Static<typeof recordsParameters>;
export type MetricsParameters = Static<typeof metricsParameters>;
export type ValuesParameters = Static<typeof valuesParameters>;

/** Parameters with an empty value count as not given, as in the console plugin's URLs. */
export function parseQueryString(text: string): Record<string, string | string[]> {
  const parameters: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(text)) {
    if (value === '') continue;
    const before = parameters[name];
    // Kept as a list, which no parameter is: the validator then reports it.
    if (before === undefined) parameters[name] = value;
    else if (typeof before === 'string') parameters[name] = [before, value];
    else before.push(value);
  }
  return parameters;
}

type Described = Readonly<Record<string, { readonly description?: string }>>;

/** Explains what is wrong with a request that does not fit its schema, and what would be right. */
export function explainInvalid(
  failure: FastifySchemaValidationError,
  properties: Described,
  where: 'parameter' | 'member',
): AnswerError {
  const { keyword, params, instancePath } = failure;
  const known = Object.keys(properties);
  if (keyword === 'additionalProperties') {
    const sent = String(params.additionalProperty);
    const name = shown(sent);
    const meant = closest(sent, known);
    const help =
      meant !== undefined
        ? `did you mean ${meant}?`
        : known.length === 0
          ? 'this address takes none'
          : `known are ${known.join(', ')}`;
    return invalid(name, `there is no ${where} ${name}: ${help}`);
  }
  if (keyword === 'required') {
    const name = String(params.missingProperty);
    return invalid(name, `${name} is missing: it must be ${wantedOf(properties, name)}`);
  }
  const name = instancePath.split('/')[1];
  if (name === undefined) return invalid(undefined, `the body must be a JSON object`);
  return invalid(name, `${name} must be ${wantedOf(properties, name)}`);
}

function wantedOf(properties: Described, name: string): string {
  return properties[name]?.description ?? 'something else';
}

export function invalid(
  parameter: string | undefined,
  message: string,
  cause?: unknown,
): AnswerError {
  return new AnswerError(ANSWERS.parameter, message, {
    cause,
    ...(parameter === undefined ? {} : { parameter }),
  });
}
