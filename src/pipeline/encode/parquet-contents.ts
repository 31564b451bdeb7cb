import type { parquetWriteBuffer } from 'hyparquet-writer';
import { type ColumnPlan, columnPlans } from '../../codec/column-plan.ts';
import {
  type BatchLayout,
  type Column,
  EXTRAS,
  type FlowBatch,
  isHeldName,
} from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import type { FieldKind } from '../../flow/field.ts';
import { MISSING } from '../../flow/intern.ts';
import type { ObjectContents } from './object-contents.ts';

type WriteOptions = Parameters<typeof parquetWriteBuffer>[0];
type SchemaElement = NonNullable<WriteOptions['schema']>[number];

/** An object is also complete when it has this many values: a second of work for one thread. */
const OBJECT_VALUES_MAX = 2 ** 20;
/** Column of the keys that only the data define. */
const OTHER_FIELDS = 'OtherFields';

const OPTIONAL = 'OPTIONAL';
const UTF8 = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const UINT_32 = { type: 'INT32', converted_type: 'UINT_32' } as const;

const TYPES = {
  u8: { type: 'INT32', converted_type: 'UINT_8' },
  u16: { type: 'INT32', converted_type: 'UINT_16' },
  u32: UINT_32,
  f64: { type: 'DOUBLE' },
  str: UTF8,
  addr: UTF8,
  mac: UTF8,
  'list<u32>': UINT_32,
  'list<str>': UTF8,
  any: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
} as const satisfies Readonly<Record<FieldKind, Partial<SchemaElement>>>;

interface Target extends ColumnPlan {
  readonly kind: FieldKind;
  /** A value for each flow of the object so far; fewer while no flow has had one. */
  values: unknown[];
}

/**
 * Flows as a Parquet file. All objects of a stage have the same columns, whatever flows are in
 * them. A value that a flow lacks is null.
 */
export class ParquetContents implements ObjectContents {
  readonly suffix = '.parquet';
  readonly contentType = 'application/vnd.apache.parquet';
  readonly isCompressed = false;
  #write: typeof parquetWriteBuffer | undefined;
  #layout: BatchLayout | undefined;
  #targets: readonly Target[] = [];
  #batch: FlowBatch | undefined;
  #rows = 0;
  #values = 0;

  get isFull(): boolean {
    return this.#values >= OBJECT_VALUES_MAX;
  }

  async open(): Promise<void> {
    // Here and not at the top: others do without the library.
    this.#write = (await import('hyparquet-writer')).parquetWriteBuffer;
  }

  encode(batch: FlowBatch): number {
    if (this.#layout !== batch.layout) {
      this.#layout = batch.layout;
      this.#targets = targetsOf(batch.layout);
    }
    this.#batch = batch;
    return batch.selected;
  }

  add(from: number, to: number): void {
    const batch = this.#batch!;
    for (const target of this.#targets) {
      const column = batch.filled(target.name);
      if (column === undefined) continue;
      pad(target.values, this.#rows);
      append(target, column, batch, from, to);
      this.#values += to - from;
    }
    this.#rows += to - from;
  }

  close(): Uint8Array {
    // Most columns of most objects have nothing in them: they share it, and need no statistics.
    const nothing: unknown[] = [];
    pad(nothing, this.#rows);
    const columnData = this.#targets.map(({ name, values }) => {
      if (values.length === 0) return { name: columnName(name), data: nothing, statistics: false };
      pad(values, this.#rows);
      return { name: columnName(name), data: values };
    });
    const schema = schemaOf(this.#targets);
    const file = this.#write!({ schema, columnData, createdBy: 'netobserv' });
    for (const target of this.#targets) target.values = [];
    this.#rows = 0;
    this.#values = 0;
    return new Uint8Array(file);
  }
}

function targetsOf(layout: BatchLayout): readonly Target[] {
  return columnPlans(layout, {})
    .filter(({ name }) => !isHeldName(name))
    .map((plan) => ({ ...plan, kind: layout.kindOf(plan.name)!, values: [] }));
}

function columnName(name: string): string {
  return name === EXTRAS ? OTHER_FIELDS : name;
}

function schemaOf(targets: readonly Target[]): SchemaElement[] {
  const elements = targets.flatMap(({ name, kind, form }): SchemaElement[] => {
    const own = { name: columnName(name), repetition_type: OPTIONAL } as const;
    const type = form === 'boolean' ? ({ type: 'BOOLEAN' } as const) : TYPES[kind];
    if (!kind.startsWith('list')) return [{ ...own, ...type }];
    return [
      { ...own, num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'REQUIRED', ...type },
    ];
  });
  return [{ name: 'flows', num_children: targets.length }, ...elements];
}

function pad(values: unknown[], length: number): void {
  while (values.length < length) values.push(undefined);
}

/** Adds a column's values of the selected flows `from .. to`. */
function append(
  { values, omitZero, form }: Target,
  column: Column,
  { selection, tables }: FlowBatch,
  from: number,
  to: number,
): void {
  const { strings, addresses, macs } = tables;
  for (let i = from; i < to; i++) {
    const row = selection === undefined ? i : selection[i]!;
    switch (column.kind) {
      case 'str':
        values.push(textOf(strings, column.values[row]!));
        break;
      case 'addr':
        values.push(textOf(addresses, column.values[row]!));
        break;
      case 'mac':
        values.push(textOf(macs, column.values[row]!));
        break;
      case 'list<u32>':
      case 'list<str>': {
        const [start, end] = [column.offsets[row]!, column.offsets[row + 1]!];
        const ids = end > start ? [...column.values.subarray(start, end)] : undefined;
        values.push(column.kind === 'list<u32>' ? ids : ids?.map((id) => strings.text(id)));
        break;
      }
      case 'any':
        values.push(column.values[row] ?? undefined);
        break;
      default: {
        const value = column.values[row]!;
        const isThere = hasBit(column.present, row) && Number.isFinite(value);
        if (!isThere || (value === 0 && omitZero)) values.push(undefined);
        else if (form === 'boolean') values.push(value !== 0);
        else values.push(form === 'whole' ? Math.trunc(value) : value);
      }
    }
  }
}

function textOf(table: { text(id: number): string }, id: number): string | undefined {
  return id === MISSING ? undefined : table.text(id);
}
