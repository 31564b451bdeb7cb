import { NetobservError } from '../../base/errors.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { Row } from '../../flow/row.ts';
import { OTLP_ERRORS } from './errors.ts';
import { fieldsOfBody } from './log-body.ts';
import { VALUE_DEPTH_MAX } from './value-reader.ts';

/** Any object of JSON; its values are of any type. */
type Json = Readonly<Record<string, unknown>>;

const NAMES: ReadonlySet<string> = new Set(FIELDS.map(({ name }) => name));

/**
 * The log records of an `ExportLogsServiceRequest` in JSON. Throws a coded error for what is no
 * such request; records are not looked into.
 */
export function logsOfJson(text: Uint8Array): readonly unknown[] {
  let request: unknown;
  try {
    request = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    throw new NetobservError(OTLP_ERRORS.syntax, 'the request is no JSON', { cause: error });
  }
  return listOf(request, 'resourceLogs')
    .flatMap((resource) => listOf(resource, 'scopeLogs'))
    .flatMap((scope) => listOf(scope, 'logRecords'));
}

/** The flow in a log record: as `LogReader` does it. Throws a coded error for what is no flow. */
export function flowOfJson(record: unknown): Row {
  const attributes = pairsOf(listOf(record, 'attributes'), 0);
  const hasFields = attributes.some(([name]) => NAMES.has(name));
  const row = Object.fromEntries(attributes);
  if (hasFields) return row;
  const { body } = objectOf(record, 'a log record');
  const content = body === undefined || body === null ? undefined : plainValue(body, 0);
  return { ...fieldsOfBody(content, attributes.length > 0), ...row };
}

function pairsOf(list: readonly unknown[], depth: number): readonly (readonly [string, unknown])[] {
  return list.map((each) => {
    const { key = '', value = {} } = objectOf(each, 'an attribute');
    return [String(key), plainValue(value, depth)];
  });
}

function plainValue(value: unknown, depth: number): unknown {
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } =
    objectOf(value, 'a value');
  if (arrayValue !== undefined || kvlistValue !== undefined) {
    if (depth === VALUE_DEPTH_MAX) {
      const problem = `a value has over ${VALUE_DEPTH_MAX} levels`;
      throw new NetobservError(OTLP_ERRORS.tooDeep, problem);
    }
    if (arrayValue === undefined) {
      const pairs = pairsOf(listOf(kvlistValue, 'values'), depth + 1);
      return Object.fromEntries(pairs.map(([key, each]) => [key, each ?? null]));
    }
    return listOf(arrayValue, 'values').map((each) => plainValue(each, depth + 1) ?? null);
  }
  // Numbers of 64 bits are texts in the JSON of protobuf.
  const number = intValue ?? doubleValue;
  return stringValue ?? boolValue ?? bytesValue ?? (number === undefined ? number : Number(number));
}

function listOf(value: unknown, key: string): readonly unknown[] {
  const list = objectOf(value, `what has ${key}`)[key] ?? [];
  if (Array.isArray(list)) return list;
  throw new NetobservError(OTLP_ERRORS.syntax, `"${key}" must be an array`);
}

function objectOf(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw new NetobservError(OTLP_ERRORS.syntax, `${what} must be an object`);
}
