import type { BatchLayout } from '../flow/batch.ts';
import type { FieldSpec } from '../flow/field.ts';
import { fieldByName } from '../flow/fields.ts';
import type { InternTables } from '../flow/intern.ts';
import { FragmentCache } from './fragment-cache.ts';

/**
 * How writers of named values treat a column. `whole`: without the fraction; `flags`: the bits as a
 * list of names; `boolean`: true and false.
 */
export interface ColumnPlan {
  readonly name: string;
  readonly omitZero: boolean;
  readonly form: 'plain' | 'whole' | 'flags' | 'boolean';
}

export interface ColumnPlanOptions {
  /** Fields whose bitmask is written as a list of names; see `FieldSpec.names`. */
  readonly names?: ReadonlySet<string>;
}

/** The columns of a layout, in its order. */
export function columnPlans(
  layout: BatchLayout,
  { names }: ColumnPlanOptions,
): readonly ColumnPlan[] {
  return layout.columns.map(({ name, kind }) => {
    const field = fieldByName(name);
    const isNumber = kind === 'u8' || kind === 'u16' || kind === 'u32' || kind === 'f64';
    const isFlags = field?.names === 'tcpFlags' && names?.has(name) === true;
    return {
      name,
      omitZero: field?.omitZero === true,
      form: isNumber ? formOf(field, isFlags) : 'plain',
    };
  });
}

function formOf(field: FieldSpec | undefined, isFlags: boolean): ColumnPlan['form'] {
  if (isFlags) return 'flags';
  if (field?.wholeInJson === true) return 'whole';
  return field?.unit === 'boolean' ? 'boolean' : 'plain';
}

/** Encoded texts of one generation of tables. */
export interface TextFragments {
  readonly strings: FragmentCache;
  readonly addresses: FragmentCache;
  readonly macs: FragmentCache;
}

export function textFragments(
  { strings, addresses, macs }: InternTables,
  encode: (text: string) => Uint8Array,
): TextFragments {
  return {
    strings: new FragmentCache((id) => encode(strings.text(id))),
    addresses: new FragmentCache((id) => encode(addresses.text(id))),
    macs: new FragmentCache((id) => encode(macs.text(id))),
  };
}
