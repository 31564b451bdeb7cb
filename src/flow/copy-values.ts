import {
  type AnyColumn,
  type Column,
  type FlowBatch,
  type IdColumn,
  type ListColumn,
  pushList,
} from './batch.ts';
import { hasBit, setBit } from './bits.ts';
import type { FieldKind } from './field.ts';
import { MISSING } from './intern.ts';
import { readValue, storeValue } from './row.ts';

type Numbers = Extract<Column, { readonly present: Uint32Array }>;

const WHOLE: readonly FieldKind[] = ['u8', 'u16', 'u32'];

/**
 * Whether a column of the kind `into` may get the values of one of the kind `from`. Of a column of
 * any values, those that do not fit are left out.
 */
export function canHold(into: FieldKind, from: FieldKind): boolean {
  if (into === from || into === 'any' || from === 'any') return true;
  return into === 'f64' && WHOLE.includes(from);
}

export interface CopyOptions {
  readonly batch: FlowBatch;
  /** The field of the column that gets the values: its names stand for numbers. */
  readonly field?: string;
  /** Numbers are multiplied by it. Default: 1. */
  readonly factor?: number;
  /** The rows that get a value, ascending. Default: all. */
  readonly only?: Uint32Array;
}

/**
 * Copies the values that rows have; a row without one keeps the value of `into`, which must be able
 * to hold them (`canHold`). Returns the number of values that did not fit.
 */
export function copyValues(from: Column, into: Column, options: CopyOptions): number {
  if (into.kind === 'any') copyToAny(from, into, options);
  else if (from.kind === 'any') return copyFromAny(from, into, options);
  else if ('present' in into) copyNumbers(from as Numbers, into, options);
  else if ('offsets' in into) copyLists(from as ListColumn, into, options);
  else copyIds(from as IdColumn, into, options);
  return 0;
}

function copyNumbers(from: Numbers, into: Numbers, { batch, only, factor = 1 }: CopyOptions): void {
  const { present } = from;
  const count = only?.length ?? batch.length;
  for (let i = 0; i < count; i++) {
    const row = only === undefined ? i : only[i]!;
    if (!hasBit(present, row)) continue;
    into.values[row] = from.values[row]! * factor;
    setBit(into.present, row);
  }
}

function copyIds(from: IdColumn, into: IdColumn, { batch, only }: CopyOptions): void {
  const count = only?.length ?? batch.length;
  for (let i = 0; i < count; i++) {
    const row = only === undefined ? i : only[i]!;
    const id = from.values[row]!;
    if (id !== MISSING) into.values[row] = id;
  }
}

type Lists = Pick<ListColumn, 'offsets' | 'values'>;

/** Lists are written anew, those of rows that get no value as well. */
function copyLists(from: ListColumn, into: ListColumn, { batch, only }: CopyOptions): void {
  const old = copyOf(into);
  let next = 0;
  for (let row = 0; row < batch.length; row++) {
    const isWanted = only === undefined || only[next] === row;
    if (isWanted) next++;
    const isFilled = from.offsets[row + 1]! > from.offsets[row]!;
    copyList(isWanted && isFilled ? from : old, row, into);
  }
}

function copyOf({ offsets, values }: Lists): Lists {
  return { offsets: offsets.slice(), values: values.slice() };
}

/** Appends the list of a row; the lists of the rows before it are there. */
function copyList(from: Lists, row: number, into: ListColumn): void {
  const to = from.offsets[row + 1]!;
  let end = into.offsets[row]!;
  for (let at = from.offsets[row]!; at < to; at++) end = pushList(into, end, from.values[at]!);
  into.offsets[row + 1] = end;
}

function copyToAny(from: Column, into: AnyColumn, { batch, only, factor = 1 }: CopyOptions): void {
  const count = only?.length ?? batch.length;
  for (let i = 0; i < count; i++) {
    const row = only === undefined ? i : only[i]!;
    const value = scaled(readValue(from, row, batch.tables), factor);
    if (value !== undefined) into.values[row] = value;
  }
}

function copyFromAny(from: AnyColumn, into: Column, options: CopyOptions): number {
  const { batch, only, field = '', factor = 1 } = options;
  const old = 'offsets' in into ? copyOf(into) : undefined;
  let failures = 0;
  let next = 0;
  for (let row = 0; row < batch.length; row++) {
    const isWanted = only === undefined || only[next] === row;
    if (isWanted) next++;
    const value = isWanted ? scaled(from.values[row], factor) : undefined;
    if (value !== undefined && storeValue(into, row, value, field, batch.tables)) continue;
    if (value !== undefined) failures++;
    if (old !== undefined) copyList(old, row, into as ListColumn);
  }
  return failures;
}

/** Only numbers can be multiplied: other values are not written then. */
function scaled(value: unknown, factor: number): unknown {
  if (factor === 1) return value ?? undefined;
  return typeof value === 'number' ? value * factor : undefined;
}
