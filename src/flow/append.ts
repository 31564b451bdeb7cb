import type { Column, FlowBatch, IdColumn, ListColumn } from './batch.ts';
import { hasBit, setBit } from './bits.ts';

/** Batches with fewer rows than this share of their capacity are put together. */
const SMALL_SHARE = 0.5;

/** Whether the batch wastes memory and work per batch, so that it is better put together. */
export function isSmall({ selected, capacity }: FlowBatch): boolean {
  return selected < capacity * SMALL_SHARE;
}

/** Whether `appendSelected` may be called: the same tables, and room for the rows. */
export function canAppend(into: FlowBatch, from: FlowBatch): boolean {
  return into.tables === from.tables && into.length + from.selected <= into.capacity;
}

/**
 * Copies the selected rows of a batch behind the rows of another one, which has no selection and
 * the same tables. Columns that only one batch has are left out or are absent in the new rows.
 */
export function appendSelected(into: FlowBatch, from: FlowBatch): void {
  const count = from.selected;
  for (const { name } of into.layout.columns) {
    const source = from.filled(name);
    if (source !== undefined) {
      appendColumn(into.column(name), into.length, source, from.selection, count);
      continue;
    }
    const column = into.filled(name);
    if (column !== undefined && 'offsets' in column) extendOffsets(column, into.length, count);
  }
  if (into.length === 0 || from.receivedMs < into.receivedMs) into.receivedMs = from.receivedMs;
  into.length += count;
}

function appendColumn(
  into: Column,
  at: number,
  from: Column,
  selection: Uint32Array | undefined,
  count: number,
): void {
  if ('offsets' in into) appendLists(into, at, from as ListColumn, selection, count);
  else if (into.kind === 'any') {
    const { values } = from as typeof into;
    for (let i = 0; i < count; i++) into.values[at + i] = values[selection?.[i] ?? i];
  } else if ('present' in into) {
    const { values, present } = from as typeof into;
    if (selection === undefined) into.values.set(values.subarray(0, count), at);
    else for (let i = 0; i < count; i++) into.values[at + i] = values[selection[i]!]!;
    for (let i = 0; i < count; i++) {
      if (hasBit(present, selection === undefined ? i : selection[i]!))
        setBit(into.present, at + i);
    }
  } else appendIds(into, at, from as IdColumn, selection, count);
}

function appendIds(
  into: IdColumn,
  at: number,
  { values }: IdColumn,
  selection: Uint32Array | undefined,
  count: number,
): void {
  if (selection === undefined) into.values.set(values.subarray(0, count), at);
  else for (let i = 0; i < count; i++) into.values[at + i] = values[selection[i]!]!;
}

function appendLists(
  into: ListColumn,
  at: number,
  { offsets, values }: ListColumn,
  selection: Uint32Array | undefined,
  count: number,
): void {
  let end = into.offsets[at]!;
  for (let i = 0; i < count; i++) {
    const row = selection === undefined ? i : selection[i]!;
    const start = offsets[row]!;
    const stop = offsets[row + 1]!;
    if (end + stop - start > into.values.length) growValues(into, end + stop - start);
    for (let v = start; v < stop; v++) into.values[end++] = values[v]!;
    into.offsets[at + i + 1] = end;
  }
}

/** Empty lists: offsets that do not move. */
function extendOffsets({ offsets }: ListColumn, at: number, count: number): void {
  offsets.fill(offsets[at]!, at + 1, at + count + 1);
}

function growValues(column: ListColumn, needed: number): void {
  let length = column.values.length;
  while (length < needed) length *= 2;
  const values = new Uint32Array(length);
  values.set(column.values);
  column.values = values;
}
