import { type Static, type TSchema, Type } from 'typebox';
import { parseDurationMs } from '../base/units.ts';
import { configError, PIPELINE_ERRORS, suggestion } from './errors.ts';

/** A Go-style duration in the configuration (`30s`), milliseconds in the program. */
export function Duration(fallback?: string) {
  const options = { type: 'string', format: 'duration' };
  return Type.Unsafe<number>(fallback === undefined ? options : { ...options, default: fallback });
}

/** The part of JSON Schema that our schemas use. */
interface Shape {
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly anyOf?: readonly Shape[];
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
}

/**
 * Checks a value against a schema and returns it with defaults filled in and durations in
 * milliseconds. The first problem is thrown, with its path and what would be right. Unlike a
 * general validator it knows that a union of objects with a `type` is chosen by that type, so the
 * message is about the alternative that was meant.
 */
export function parseValue<Schema extends TSchema>(
  schema: Schema,
  value: unknown,
  path: string,
): Static<Schema> {
  return parse(schema as Shape, value, path) as Static<Schema>;
}

function parse(shape: Shape, value: unknown, path: string): unknown {
  if (shape.anyOf !== undefined) return parseUnion(shape.anyOf, value, path);
  if (shape.const !== undefined) {
    if (value === shape.const) return value;
    throw wrong(path, JSON.stringify(shape.const), value);
  }
  switch (shape.type) {
    case 'object':
      return parseObject(shape, value, path);
    case 'array':
      return parseArray(shape, value, path);
    case 'string':
      return shape.format === 'duration'
        ? parseDuration(value, path)
        : parseString(shape, value, path);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(path, 'true or false', value);
      return value;
    case 'integer':
    case 'number':
      return parseNumber(shape, value, path);
    default:
      return value;
  }
}

function parseObject(shape: Shape, value: unknown, path: string): unknown {
  if (!isObject(value)) throw wrong(path, 'an object', value);
  const values = Object.values(shape.patternProperties ?? {})[0];
  if (values !== undefined) return parseRecord(values, value, path);
  const properties = shape.properties ?? {};
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(properties, key)) continue;
    const hint = suggestion(key, Object.keys(properties));
    const problem = `unknown key "${key}"${hint}`;
    throw configError(PIPELINE_ERRORS.keyUnknown, at(path, key), problem);
  }
  const parsed: Record<string, unknown> = {};
  for (const [key, property] of Object.entries(properties)) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined;
    const used = given ?? property.default;
    if (used !== undefined) parsed[key] = parse(property, used, at(path, key));
    else if (shape.required?.includes(key) === true) {
      throw configError(PIPELINE_ERRORS.option, at(path, key), 'is required');
    }
  }
  return parsed;
}

function parseRecord(values: Shape, value: Record<string, unknown>, path: string): unknown {
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, item]) => [key, parse(values, item, at(path, key))]),
  );
}

function parseArray(shape: Shape, value: unknown, path: string): unknown {
  if (!Array.isArray(value)) throw wrong(path, 'a list', value);
  if (value.length < (shape.minItems ?? 0)) throw wrong(path, 'a list that is not empty', value);
  const items = shape.items ?? {};
  return value.map((item, index) => parse(items, item, `${path}[${index}]`));
}

function parseString(shape: Shape, value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, 'a text', value);
  if (value.length < (shape.minLength ?? 0)) throw wrong(path, 'a text that is not empty', value);
  return value;
}

function parseNumber(shape: Shape, value: unknown, path: string): number {
  const low = shape.minimum ?? Number.NEGATIVE_INFINITY;
  const high = shape.maximum ?? Number.POSITIVE_INFINITY;
  const whole = shape.type === 'integer';
  const fits =
    typeof value === 'number' &&
    value >= low &&
    value <= high &&
    (!whole || Number.isSafeInteger(value));
  if (fits) return value;
  const range = shape.minimum === undefined ? '' : ` from ${low}`;
  const end = shape.maximum === undefined ? '' : ` up to ${high}`;
  throw wrong(path, `${whole ? 'a whole number' : 'a number'}${range}${end}`, value);
}

function parseDuration(value: unknown, path: string): number {
  const ms = typeof value === 'string' ? parseDurationMs(value) : undefined;
  if (ms !== undefined) return ms;
  if (value === 0) return 0;
  // A bare number would be nanoseconds to some readers and seconds to others.
  const unit = typeof value === 'number' ? `: write the unit, "${value}s" for seconds` : '';
  throw configError(
    PIPELINE_ERRORS.duration,
    path,
    `${show(value)} is no duration such as 500ms, 30s or 2m${unit}`,
  );
}

function parseUnion(alternatives: readonly Shape[], value: unknown, path: string): unknown {
  const words = alternatives.map((one) => one.const);
  if (words.every((word) => word !== undefined)) {
    if ((words as readonly unknown[]).includes(value)) return value;
    const hint = suggestion(String(value), words.map(String));
    throw configError(PIPELINE_ERRORS.option, path, `${show(value)} is not allowed here${hint}`);
  }
  const types = alternatives.map((one) => one.properties?.type?.const);
  if (types.every((type) => type !== undefined))
    return parseTyped(alternatives, types, value, path);
  const found = alternatives.find((one) => one.type === typeOf(value));
  if (found !== undefined) return parse(found, value, path);
  throw wrong(path, alternatives.map((one) => one.type).join(' or '), value);
}

function parseTyped(
  alternatives: readonly Shape[],
  types: readonly unknown[],
  value: unknown,
  path: string,
): unknown {
  if (!isObject(value)) throw wrong(path, 'an object', value);
  const { type } = value;
  const chosen = alternatives[types.indexOf(type)];
  if (chosen !== undefined) return parse(chosen, value, path);
  const known = types.map(String);
  const problem =
    type === undefined
      ? `is required (known: ${known.join(', ')})`
      : `unknown type ${show(type)}${suggestion(String(type), known)}`;
  throw configError(PIPELINE_ERRORS.typeUnknown, at(path, 'type'), problem);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value;
}

function at(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function wrong(path: string, wanted: string, value: unknown) {
  return configError(PIPELINE_ERRORS.option, path, `must be ${wanted}, not ${show(value)}`);
}

/** The value as it may have been written, short enough for a message. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
