import type { Message } from '../../deliver/message.ts';
import type { Encoder } from '../../deliver/outlet.ts';
import type { Column, FlowBatch } from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { fieldByName } from '../../flow/fields.ts';
import { MISSING } from '../../flow/intern.ts';
import type { AgentConfig } from '../config.ts';

/** Numbers below this are those of netobserv-ebpf-agent's schema; ours follow. */
const OWN_PROTO_MIN = 100;

/** Wraps an encoder to leave out blank flows, unless EXPORT_BLANK_FLOWS requests them. */
export function withoutBlankFlows<M extends Message>(
  { exportBlankFlows }: Pick<AgentConfig, 'exportBlankFlows'>,
  encoder: Encoder<FlowBatch, M>,
): Encoder<FlowBatch, M> {
  if (exportBlankFlows) return encoder;
  return {
    encode(batch) {
      leaveBlankOut(batch);
      return encoder.encode(batch);
    },
  };
}

/**
 * Leaves out flows without packets that netobserv-ebpf-agent's protocol cannot express: a query
 * that nobody answered, a connection that was not established. flowlogs-pipeline would count each
 * of them, and show an empty flow.
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

/** Few batches have a blank flow, so most batches cost only this. */
function hasBlank(batch: FlowBatch): boolean {
  const packets = batch.f64('Packets');
  const present = batch.present('Packets');
  for (let row = 0; row < batch.length; row++) {
    if (packets[row] === 0 && hasBit(present, row)) return true;
  }
  return false;
}

/** A feature's field, present in some flows only, that netobserv-ebpf-agent's schema also has. */
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
