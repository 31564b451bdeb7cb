import {
  type BatchLayout,
  type Column,
  EXTRAS,
  type FlowBatch,
  type ListColumn,
  pushList,
} from './batch.ts';
import { hasBit, setBit } from './bits.ts';
import { NAMES, tcpFlagNames } from './enums.ts';
import { type FieldSpec, WHOLE_NUMBER_MAX } from './field.ts';
import { fieldByName } from './fields.ts';
import { type InternTables, MISSING } from './intern.ts';

/**
 * The slow view of a batch: one object per flow with external names and JSON types. For tests,
 * previews and ingest of text; nothing on the hot path makes rows.
 */
export type Row = Readonly<Record<string, unknown>>;

/**
 * Number of values that could not be converted to the type of their column, by field. They stay
 * absent.
 */
export type CoercionFailures = Map<string, number>;

export interface RowOptions {
  /** Fields whose bitmask is shown as a list of names; see `FieldSpec.names`. */
  readonly names?: ReadonlySet<string>;
  /** Numbers keep their column's precision, even where JSON output has whole numbers. */
  readonly exact?: boolean;
}

/** One flow; absent values have no key, nor do zeros of fields that omit them. */
export function rowOf(batch: FlowBatch, row: number, options: RowOptions = {}): Row {
  const result: Record<string, unknown> = {};
  for (const { name } of batch.layout.columns) {
    const column = batch.filled(name);
    const value = column === undefined ? undefined : readValue(column, row, batch.tables);
    if (value === undefined) continue;
    if (name === EXTRAS) {
      Object.assign(result, value);
      continue;
    }
    const field = fieldByName(name);
    if (field?.omitZero === true && value === 0) continue;
    result[name] = external(field, value, options);
  }
  return result;
}

/** The selected flows, in order. */
export function rowsOf(batch: FlowBatch, options: RowOptions = {}): readonly Row[] {
  const { selection } = batch;
  return Array.from({ length: batch.selected }, (_, index) =>
    rowOf(batch, selection?.[index] ?? index, options),
  );
}

function external(field: FieldSpec | undefined, value: unknown, options: RowOptions): unknown {
  if (typeof value !== 'number') return value;
  if (field?.unit === 'boolean') return value !== 0;
  const asNames = field?.names === 'tcpFlags' && options.names?.has(field.name) === true;
  if (field?.wholeInJson === true && options.exact !== true) return Math.trunc(value);
  return asNames ? tcpFlagNames(value) : value;
}

/** The value of a row; `undefined` where it has none. */
export function readValue(column: Column, row: number, tables: InternTables): unknown {
  switch (column.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'f64': {
      const value = column.values[row]!;
      return hasBit(column.present, row) && Number.isFinite(value) ? value : undefined;
    }
    case 'str':
      return textOf(column.values[row]!, tables.strings);
    case 'addr':
      return textOf(column.values[row]!, tables.addresses);
    case 'mac':
      return textOf(column.values[row]!, tables.macs);
    case 'list<u32>':
      return listOf(column, row);
    case 'list<str>':
      return listOf(column, row)?.map((id) => tables.strings.text(id));
    case 'any':
      return column.values[row];
  }
}

function textOf(id: number, table: { text(id: number): string }): string | undefined {
  return id === MISSING ? undefined : table.text(id);
}

function listOf(column: ListColumn, row: number): readonly number[] | undefined {
  const start = column.offsets[row]!;
  const end = column.offsets[row + 1]!;
  return end > start ? [...column.values.subarray(start, end)] : undefined;
}

/**
 * Adds a flow behind the last one; false when the batch is full. Values are converted: text and
 * names to numbers, numbers to text, single values to lists. `null` is absent.
 */
export function appendRow(batch: FlowBatch, row: Row, failures: CoercionFailures): boolean {
  if (batch.length === batch.capacity) return false;
  const at = beginRow(batch);
  const { layout, tables } = batch;
  let extras: Record<string, unknown> | undefined;
  for (const name of Object.keys(row)) {
    const value = row[name];
    if (value === null || value === undefined || name === EXTRAS) continue;
    const index = layout.indexOf(name);
    if (index === -1) {
      extras ??= {};
      extras[name] = value;
    } else if (!storeValue(batch.columnAt(index), at, value, name, tables)) {
      failures.set(name, (failures.get(name) ?? 0) + 1);
    }
  }
  if (extras !== undefined && layout.has(EXTRAS)) batch.any(EXTRAS)[at] = extras;
  return true;
}

/** Adds a row without values to a batch that is not full; returns its index. */
export function beginRow(batch: FlowBatch): number {
  const at = batch.length++;
  const lists = listsOf(batch.layout);
  // A list column that is in use needs an end in every row, even without values.
  for (let i = 0; i < lists.length; i++) {
    const list = batch.filledAt(lists[i]!) as ListColumn | undefined;
    if (list !== undefined) list.offsets[at + 1] = list.offsets[at]!;
  }
  return at;
}

const LISTS = new WeakMap<BatchLayout, readonly number[]>();

/** Places of the columns of lists in a layout. */
function listsOf(layout: BatchLayout): readonly number[] {
  const known = LISTS.get(layout);
  if (known !== undefined) return known;
  const lists = layout.columns.flatMap(({ kind }, index) =>
    kind.startsWith('list') ? [index] : [],
  );
  LISTS.set(layout, lists);
  return lists;
}

/**
 * Sets the value of a row, converted to the column's kind; lists are set row by row, in order.
 * False: it does not fit. `name` is the field's, whose names stand for numbers.
 */
export function storeValue(
  column: Column,
  row: number,
  value: unknown,
  name: string,
  tables: InternTables,
): boolean {
  switch (column.kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'f64': {
      const number = toNumber(value, name);
      if (number === undefined || !(number >= MIN[column.kind] && number <= MAX[column.kind])) {
        return false;
      }
      if (column.kind !== 'f64' && !Number.isInteger(number)) return false;
      column.values[row] = number;
      setBit(column.present, row);
      return true;
    }
    case 'str': {
      const text = toText(value);
      if (text === undefined) return false;
      column.values[row] = tables.strings.intern(text);
      return true;
    }
    case 'addr':
    case 'mac':
      return storeParsed(column.values, row, value, column.kind, tables);
    case 'list<u32>':
    case 'list<str>':
      return storeList(column, row, value, name, tables);
    case 'any':
      column.values[row] = value;
      return true;
  }
}

const MIN = { u8: 0, u16: 0, u32: 0, f64: -Number.MAX_VALUE } as const;
const MAX = { ...WHOLE_NUMBER_MAX, f64: Number.MAX_VALUE } as const;

function toNumber(value: unknown, name: string): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  const field = fieldByName(name);
  const names = field?.names === undefined ? undefined : NAMES[field.names];
  if (typeof value === 'string') {
    const named = names?.numberOf(value);
    if (named !== undefined) return named;
    return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? Number(value) : undefined;
  }
  if (field?.names !== 'tcpFlags' || !Array.isArray(value)) return undefined;
  let mask = 0;
  for (const name of value) {
    const bit = typeof name === 'string' ? NAMES.tcpFlags.numberOf(name) : undefined;
    if (bit === undefined) return undefined;
    mask |= bit;
  }
  return mask;
}

function toText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return undefined;
}

function storeParsed(
  ids: Uint32Array,
  row: number,
  value: unknown,
  kind: 'addr' | 'mac',
  tables: InternTables,
): boolean {
  if (typeof value !== 'string') return false;
  // `flowlogs-pipeline` writes the empty text for an unknown address.
  if (value === '') return true;
  const id = kind === 'addr' ? tables.addresses.internText(value) : tables.macs.internText(value);
  ids[row] = id;
  return id !== MISSING;
}

function storeList(
  column: ListColumn,
  row: number,
  value: unknown,
  name: string,
  tables: InternTables,
): boolean {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  let end = column.offsets[row]!;
  let fits = true;
  for (const item of items) {
    const made =
      column.kind === 'list<str>' ? toStringId(item, tables) : toWord(toNumber(item, name));
    if (made === undefined) fits = false;
    else end = pushList(column, end, made);
  }
  column.offsets[row + 1] = end;
  return fits;
}

function toStringId(item: unknown, tables: InternTables): number | undefined {
  const text = toText(item);
  return text === undefined ? undefined : tables.strings.intern(text);
}

function toWord(number: number | undefined): number | undefined {
  if (number === undefined || !Number.isInteger(number)) return undefined;
  return number >= 0 && number <= MAX.u32 ? number : undefined;
}
