import { type FlowBatch, pushList } from '../../../../src/flow/batch.ts';
import { hasBit, setBit } from '../../../../src/flow/bits.ts';

/** A flow as a plain object: absent fields are missing, addresses and MACs are text. */
export type Row = Readonly<Record<string, unknown>>;

/** Appends rows to a batch; fields that the layout lacks are left out. */
export function appendRows(batch: FlowBatch, rows: readonly Row[]): void {
  for (const row of rows) {
    const at = batch.length++;
    for (const { name } of batch.layout.columns) setCell(batch, name, at, row[name]);
    if (!batch.has('*')) continue;
    const extras = Object.entries(row).filter(([key]) => !batch.layout.has(key));
    batch.any('*')[at] = extras.length === 0 ? undefined : Object.fromEntries(extras);
  }
}

function setCell(batch: FlowBatch, name: string, row: number, value: unknown): void {
  const column = batch.column(name);
  const { strings, addresses, macs } = batch.tables;
  switch (column.kind) {
    case 'list<str>':
    case 'list<u32>': {
      let end = row === 0 ? 0 : column.offsets[row]!;
      for (const item of Array.isArray(value) ? value : []) {
        const isText = column.kind === 'list<str>';
        end = pushList(column, end, isText ? strings.intern(String(item)) : Number(item));
      }
      column.offsets[row + 1] = end;
      return;
    }
    case 'any':
      column.values[row] = value;
      return;
    case 'str':
      column.values[row] = value === undefined ? 0 : strings.intern(String(value));
      return;
    case 'addr':
      column.values[row] = value === undefined ? 0 : addresses.internText(String(value));
      return;
    case 'mac':
      column.values[row] = value === undefined ? 0 : macs.internText(String(value));
      return;
    default:
      if (value === undefined) return;
      column.values[row] = Number(value);
      setBit(column.present, row);
  }
}

/** The selected rows of a batch, with every column that has a value. */
export function rowsOf(batch: FlowBatch): Row[] {
  const selection = batch.selection ?? Array.from({ length: batch.length }, (_, row) => row);
  return [...selection].map((row) => {
    const cells = batch.layout.columns.map(({ name }) => [name, cell(batch, name, row)] as const);
    const found = Object.fromEntries(cells.filter(([, value]) => value !== undefined));
    const { '*': extras, ...known } = found;
    return { ...known, ...(extras as object | undefined) };
  });
}

function cell(batch: FlowBatch, name: string, row: number): unknown {
  const column = batch.column(name);
  const { strings, addresses, macs } = batch.tables;
  switch (column.kind) {
    case 'list<str>':
    case 'list<u32>': {
      const items = [...column.values.slice(column.offsets[row], column.offsets[row + 1])];
      if (items.length === 0) return undefined;
      return column.kind === 'list<str>' ? items.map((id) => strings.text(id)) : items;
    }
    case 'any':
      return column.values[row];
    case 'str':
    case 'addr':
    case 'mac': {
      const id = column.values[row]!;
      if (id === 0) return undefined;
      const table = { str: strings, addr: addresses, mac: macs }[column.kind];
      return table.text(id);
    }
    default:
      return hasBit(column.present, row) ? column.values[row] : undefined;
  }
}
