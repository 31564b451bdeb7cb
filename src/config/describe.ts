import type { TSchema } from 'typebox';
import { DURATION_PATTERN } from '../base/units.ts';
import { DURATION_FORMAT, isRequired, type Shape, typeWords } from './schema.ts';

/** A key as a reference page lists it. */
export interface KeyRow {
  /** Path from the object of the table: `metrics[].labels`, `exporters.*.name`. */
  readonly key: string;
  readonly type: string;
  readonly isRequired: boolean;
  /** As written in a document; undefined if there is none. */
  readonly fallback: string | undefined;
  /** `0 to 65535`, `not empty`, or the allowed words; empty for any value of the type. */
  readonly bounds: string;
  readonly description: string;
}

/** The keys of an alternative of a union; alternatives with the same keys share a table. */
export interface KeyTable {
  /** Path of the object: `rules[]`. */
  readonly path: string;
  /** The words of `type`, each with the description of its alternative. */
  readonly types: readonly (readonly [word: string, description: string])[];
  readonly rows: readonly KeyRow[];
}

/** The keys of an object, including those of nested objects. */
export interface Description {
  readonly description: string;
  readonly rows: readonly KeyRow[];
  readonly alternatives: readonly KeyTable[];
}

/** Describes the schema of an object. */
export function describeSchema(schema: TSchema): Description {
  const shape = schema as Shape;
  const alternatives: KeyTable[] = [];
  const rows = rowsOf(shape, '', '', alternatives);
  return { description: shape.description ?? '', rows, alternatives };
}

/** Rows of an object's keys. Alternatives of unions go to `tables`. */
function rowsOf(
  object: Shape,
  prefix: string,
  base: string,
  tables: KeyTable[],
): readonly KeyRow[] {
  return Object.entries(object.properties ?? {}).flatMap(([name, shape]) => {
    const key = `${prefix}${name}`;
    const row: KeyRow = {
      key,
      type: typeText(shape),
      isRequired: isRequired(object, name),
      fallback: shape.default === undefined ? undefined : defaultText(shape.default),
      bounds: boundsText(shape),
      description: shape.description ?? '',
    };
    const [values] = Object.values(shape.patternProperties ?? {});
    const inner = shape.items ?? values ?? shape;
    const path = `${key}${shape.items !== undefined ? '[]' : values !== undefined ? '.*' : ''}`;
    const { anyOf } = inner;
    if (anyOf !== undefined && typeWords(anyOf) !== undefined) {
      addTables(anyOf, base + path, tables);
    }
    return [row, ...rowsOf(inner, `${path}.`, base, tables)];
  });
}

function addTables(alternatives: readonly Shape[], path: string, tables: KeyTable[]): void {
  for (const alternative of alternatives) {
    const { type, ...properties } = alternative.properties ?? {};
    const own: KeyTable[] = [];
    const rows = rowsOf({ ...alternative, properties }, '', `${path}.`, own);
    const types = [[String(type?.const), alternative.description ?? '']] as const;
    const last = tables.at(-1);
    if (last?.path === path && JSON.stringify(last.rows) === JSON.stringify(rows)) {
      tables[tables.length - 1] = { ...last, types: [...last.types, ...types] };
    } else {
      tables.push({ path, types, rows }, ...own);
    }
  }
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'boolean',
  object: 'object',
};

function typeText(shape: Shape): string {
  const { type, anyOf, items, patternProperties } = shape;
  if (shape.format === DURATION_FORMAT) return 'duration';
  if (shape.enum !== undefined || shape.const !== undefined) return 'word';
  if (anyOf !== undefined) {
    return typeWords(anyOf) === undefined
      ? anyOf.map(typeText).join(' or ')
      : 'object, by its type';
  }
  if (items !== undefined) return `list: ${typeText(items)}`;
  const [values] = Object.values(patternProperties ?? {});
  if (values !== undefined) return `map: ${typeText(values)}`;
  return TYPES[type ?? ''] ?? 'any';
}

function boundsText(shape: Shape): string {
  const { minimum, maximum, minLength = 0, minItems = 0 } = shape;
  if (shape.enum !== undefined) return shape.enum.map(String).join(', ');
  if (minLength > 0 || minItems > 0) return 'not empty';
  if (minimum !== undefined && maximum !== undefined) return `${minimum} to ${maximum}`;
  if (minimum !== undefined) return `at least ${minimum}`;
  return maximum === undefined ? '' : `at most ${maximum}`;
}

/** The empty text, list and object are not worth showing. */
function defaultText(value: unknown): string | undefined {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return ['', '[]', '{}'].includes(text) ? undefined : text;
}

/** JSON Schema (draft 7) of documents, for editors: a key with a default may be left out. */
export function editorSchema(schema: TSchema, title: string): Readonly<Record<string, unknown>> {
  const $schema = 'http://json-schema.org/draft-07/schema#';
  return { $schema, title, ...(forEditors(schema as Shape) as object) };
}

function forEditors(shape: Shape): Shape & { readonly pattern?: string } {
  const { required, properties, patternProperties, items, anyOf, format, ...rest } = shape;
  const needed = required?.filter((key) => isRequired(shape, key)) ?? [];
  return {
    ...rest,
    ...(format === DURATION_FORMAT ? { pattern: DURATION_PATTERN } : {}),
    ...(needed.length === 0 ? {} : { required: needed }),
    ...(properties === undefined ? {} : { properties: mapValues(properties) }),
    ...(patternProperties === undefined ? {} : { patternProperties: mapValues(patternProperties) }),
    ...(items === undefined ? {} : { items: forEditors(items) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(forEditors) }),
  };
}

function mapValues(shapes: Readonly<Record<string, Shape>>): Readonly<Record<string, Shape>> {
  return Object.fromEntries(Object.entries(shapes).map(([key, one]) => [key, forEditors(one)]));
}
