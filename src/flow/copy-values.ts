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
}

/**
 * Copies the values that rows have; a row without one keeps the value of `into`, which must be able
 * to hold them (`canHold`). Returns the number of values that did not fit.
 */
export function copyValues(from: Column, into: Column, options: CopyOptions): number {
  const { length } = options.batch;
  if (into.kind === 'any') copyToAny(from, into, options);
  else if (from.kind === 'any') return copyFromAny(from, into, options);
  else if ('present' in into) copyNumbers(from as Numbers, into, length, options.factor ?? 1);
  else if ('offsets' in into) copyLists(from as ListColumn, into, length);
  else copyIds(from as IdColumn, into, length);
  return 0;
}

function copyNumbers(from: Numbers, into: Numbers, length: number, factor: number): void {
  const { present } = from;
  for (let row = 0; row < length; row++) {
    if (!hasBit(present, row)) continue;
    into.values[row] = from.values[row]! * factor;
    setBit(into.present, row);
  }
}

function copyIds(from: IdColumn, into: IdColumn, length: number): void {
  for (let row = 0; row < length; row++) {
    const id = from.values[row]!;
    if (id !== MISSING) into.values[row] = id;
  }
}

type Lists = Pick<ListColumn, 'offsets' | 'values'>;

function copyLists(from: ListColumn, into: ListColumn, length: number): void {
  const old = { offsets: into.offsets.slice(), values: into.values.slice() };
  for (let row = 0; row < length; row++) {
    copyList(from.offsets[row + 1]! > from.offsets[row]! ? from : old, row, into);
  }
}

/** Appends the list of a row; the lists of the rows before it are there. */
function copyList(from: Lists, row: number, into: ListColumn): void {
  const to = from.offsets[row + 1]!;
  let end = into.offsets[row]!;
  for (let at = from.offsets[row]!; at < to; at++) end = pushList(into, end, from.values[at]!);
  into.offsets[row + 1] = end;
}

function copyToAny(from: Column, into: AnyColumn, { batch, factor = 1 }: CopyOptions): void {
  for (let row = 0; row < batch.length; row++) {
    const value = scaled(readValue(from, row, batch.tables), factor);
    if (value !== undefined) into.values[row] = value;
  }
}

function copyFromAny(from: AnyColumn, into: Column, options: CopyOptions): number {
  const { batch, field = '', factor = 1 } = options;
  const old =
    'offsets' in into ? { offsets: into.offsets.slice(), values: into.values.slice() } : undefined;
  let failures = 0;
  for (let row = 0; row < batch.length; row++) {
    const value = scaled(from.values[row], factor);
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
