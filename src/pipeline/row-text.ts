import { textOf } from '../base/shown.ts';
import type { FlowBatch } from '../flow/batch.ts';
import { hasBit } from '../flow/bits.ts';
import { tableOf } from './column-test.ts';

/** Text of one cell, undefined when it is absent; entries of a list are joined by commas. */
export function cellText(batch: FlowBatch, field: string, row: number): string | undefined {
  const column = batch.filled(field);
  if (column === undefined) return undefined;
  switch (column.kind) {
    case 'str':
    case 'addr':
    case 'mac': {
      const id = column.values[row]!;
      return id === 0 ? undefined : tableOf(batch, column.kind).text(id);
    }
    case 'any': {
      const value = column.values[row];
      return value === undefined ? undefined : textOf(value);
    }
    case 'list<u32>':
    case 'list<str>': {
      const values = column.values.subarray(column.offsets[row]!, column.offsets[row + 1]!);
      if (values.length === 0) return undefined;
      const { strings } = batch.tables;
      const texts = [...values].map((value) =>
        column.kind === 'list<str>' ? strings.text(value) : String(value),
      );
      return texts.join(',');
    }
    default:
      return hasBit(column.present, row) ? String(column.values[row]!) : undefined;
  }
}
