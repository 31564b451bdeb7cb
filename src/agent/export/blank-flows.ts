import type { Column, FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { fieldByName } from '../../flow/fields.ts';
import { MISSING } from '../../flow/intern.ts';

/** Numbers below are the original's; ours follow. */
const OWN_PROTO_MIN = 100;

/**
 * Leaves out flows without packets of which the original's protocol can say nothing: a query that
 * nobody answered, a connection that never came about. Its collectors would count each of them, and
 * show a flow without anything in it.
 */
export function leaveBlankOut(batch: FlowBatch): void {
  if (!batch.has('Packets') || !hasBlank(batch)) return;
  const told = batch.layout.columns
    .filter(({ name }) => isToldOfFlows(name))
    .map(({ name }) => batch.column(name));
  const packets = batch.f64('Packets');
  const present = batch.present('Packets');
  const rows = new Uint32Array(batch.selected);
  let count = 0;
  for (let i = 0; i < batch.selected; i++) {
    const row = batch.selection === undefined ? i : batch.selection[i]!;
    const isBlank = hasBit(present, row) && packets[row] === 0;
    if (!isBlank || told.some((column) => holds(column, row))) rows[count++] = row;
  }
  batch.selection = rows.subarray(0, count);
}

/** Hardly any batch has one, so this is all that most cost. */
function hasBlank(batch: FlowBatch): boolean {
  const packets = batch.f64('Packets');
  const present = batch.present('Packets');
  for (let row = 0; row < batch.length; row++) {
    if (packets[row] === 0 && hasBit(present, row)) return true;
  }
  return false;
}

/** A field of a feature, which flows have or have not, and that the original has as well. */
function isToldOfFlows(name: string): boolean {
  const field = fieldByName(name);
  const number = field?.proto?.numbers[0] ?? OWN_PROTO_MIN;
  return field?.feature !== undefined && number < OWN_PROTO_MIN;
}

function holds(column: Column, row: number): boolean {
  switch (column.kind) {
    case 'addr':
    case 'mac':
    case 'str':
      return column.values[row] !== MISSING;
    case 'list<u32>':
    case 'list<str>':
      return column.offsets[row + 1]! > column.offsets[row]!;
    case 'any':
      return column.values[row] !== undefined;
    default:
      return hasBit(column.present, row) && column.values[row] !== 0;
  }
}
