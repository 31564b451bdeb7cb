import { shown } from '../base/shown.ts';
import { closest } from '../base/suggest.ts';
import type { FieldKind, FieldSpec } from '../flow/field.ts';
import { FIELDS, fieldByName } from '../flow/fields.ts';
import { QUERY_ERRORS, queryError } from './errors.ts';

/** Both ends' fields by their common key, the source's first. */
const PAIRS: ReadonlyMap<string | undefined, readonly FieldSpec[]> = Map.groupBy(
  FIELDS.filter(({ pair }) => pair !== undefined),
  ({ pair }) => pair,
);

/** The fields of a filter key: one, or a pair (`Port`: SrcPort and DstPort). */
export function fieldsOfKey(key: string): readonly FieldSpec[] | undefined {
  const field = fieldByName(key);
  return field === undefined ? PAIRS.get(key) : [field];
}

/** Like `fieldsOfKey`, but an unknown key throws an error that suggests the probable key. */
export function requireFields(key: string, position?: number): readonly FieldSpec[] {
  const fields = fieldsOfKey(key);
  if (fields !== undefined) return fields;
  throw unknownKey(key, position);
}

export function requireField(name: string): FieldSpec {
  const field = fieldByName(name);
  if (field === undefined) throw unknownKey(name, undefined);
  return field;
}

function unknownKey(key: string, position: number | undefined) {
  const meant = closest(key, knownKeys());
  const where = position === undefined ? '' : ` at position ${position + 1}`;
  const hint = meant === undefined ? 'see the flow format reference' : `did you mean ${meant}?`;
  return queryError(QUERY_ERRORS.fieldUnknown, `there is no field ${shown(key)}${where}; ${hint}`, {
    key: shown(key),
    ...(position === undefined ? {} : { position }),
    ...(meant === undefined ? {} : { suggestion: meant }),
  });
}

function* knownKeys(): Iterable<string> {
  for (const field of FIELDS) {
    yield field.name;
    if (field.pair !== undefined) yield field.pair;
  }
}

/** How a filter compares a field. */
export type FieldClass = 'number' | 'text' | 'address' | 'mac' | 'list';

export function classOfKind(kind: FieldKind): FieldClass {
  switch (kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'f64':
      return 'number';
    case 'str':
    case 'any':
      return 'text';
    case 'addr':
      return 'address';
    case 'mac':
      return 'mac';
    case 'list<u32>':
    case 'list<str>':
      return 'list';
  }
}
