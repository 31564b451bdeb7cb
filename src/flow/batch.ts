import { assert } from '../base/assert.ts';
import { bitWords, setFirstBits } from './bits.ts';
import type { FieldKind } from './field.ts';
import type { InternTables } from './intern.ts';

/**
 * Rows of a batch: enough to spread the work per batch. One column of 4096 numbers stays in the L1
 * cache; a whole batch of the agent's columns has 1.5 MiB.
 */
export const BATCH_CAPACITY_ROWS = 4096;

/**
 * Name of the `any` column for keys that only the data define: an object of them in each row that
 * has such keys. Text sinks write its entries beside the other fields.
 */
export const EXTRAS = '*';

/** Name of a column that only one stage uses, for values of a field; no flow has such a field. */
export function heldName(stage: string, field: string): string {
  return `${EXTRAS}${stage}.${field}`;
}

export function isHeldName(name: string): boolean {
  return name.startsWith(EXTRAS) && name !== EXTRAS;
}

/** A column to allocate: the field's external name and how its values are held. */
export interface ColumnSpec {
  readonly name: string;
  readonly kind: FieldKind;
  /** Text sinks show the numbers by their names; see `FieldSpec.names`. No effect on batches. */
  readonly form?: 'names';
}

/**
 * Columns that a batch has, in a fixed order. It is made once, when the graph is compiled; fields
 * that no stage reads are left out and never decoded.
 */
export class BatchLayout {
  readonly columns: readonly ColumnSpec[];
  readonly #indexes = new Map<string, number>();

  constructor(columns: readonly ColumnSpec[]) {
    this.columns = columns;
    for (const [index, column] of columns.entries()) {
      assert(!this.#indexes.has(column.name), `column ${column.name} is twice in a layout`);
      this.#indexes.set(column.name, index);
    }
  }

  has(name: string): boolean {
    return this.#indexes.has(name);
  }

  indexOf(name: string): number {
    return this.#indexes.get(name) ?? -1;
  }

  kindOf(name: string): FieldKind | undefined {
    return this.columns[this.indexOf(name)]?.kind;
  }
}

/**
 * Numbers with a presence bitmap: absent is not 0. Values of absent rows are unspecified, so a
 * reader looks at `present` first; a writer sets both.
 */
export interface NumberColumn<Kind extends string, Values> {
  readonly kind: Kind;
  readonly values: Values;
  readonly present: Uint32Array;
}

export type U8Column = NumberColumn<'u8', Uint8Array>;
export type U16Column = NumberColumn<'u16', Uint16Array>;
export type U32Column = NumberColumn<'u32', Uint32Array>;
export type F64Column = NumberColumn<'f64', Float64Array>;

/** Ids into the batch's intern tables; `MISSING` (0) where there is no value. */
export interface IdColumn {
  readonly kind: 'str' | 'addr' | 'mac';
  readonly values: Uint32Array;
}

/**
 * Row `r` holds `values[offsets[r] .. offsets[r + 1]]`: numbers, or string ids. Rows are appended
 * in order with `pushList`; an empty list is an absent one.
 */
export interface ListColumn {
  readonly kind: 'list<u32>' | 'list<str>';
  readonly offsets: Uint32Array;
  values: Uint32Array;
}

/** Values whose kind is known only row by row. `undefined` is absent. */
export interface AnyColumn {
  readonly kind: 'any';
  readonly values: unknown[];
}

export type Column =
  | U8Column
  | U16Column
  | U32Column
  | F64Column
  | IdColumn
  | ListColumn
  | AnyColumn;

type ColumnOf<Kind extends FieldKind> = Extract<Column, { kind: Kind }>;

/**
 * Flows as a struct of arrays.
 *
 * A batch is filled by one source, then passed down the graph. Filters never move rows: they set
 * `selection`, the ascending indices of the rows that are still wanted (`undefined`: all). Branches
 * that only read share the batch; a branch that writes takes a `fork` with its own copies of those
 * columns. Ids belong to the generation in `tables`.
 *
 * A column gets its memory on first use, so a column that nobody fills costs nothing.
 */
export class FlowBatch {
  readonly layout: BatchLayout;
  readonly capacity: number;
  tables: InternTables;
  length = 0;
  selection: Uint32Array | undefined = undefined;
  /**
   * Clock milliseconds at which its first byte left the kernel or the socket; for latency metrics.
   */
  receivedMs = 0;
  readonly #columns: (Column | undefined)[];

  constructor(layout: BatchLayout, tables: InternTables, capacity = BATCH_CAPACITY_ROWS) {
    this.layout = layout;
    this.tables = tables;
    this.capacity = capacity;
    this.#columns = layout.columns.map(() => undefined);
  }

  /** Number of rows that are selected. */
  get selected(): number {
    return this.selection?.length ?? this.length;
  }

  has(name: string): boolean {
    return this.layout.has(name);
  }

  column(name: string): Column {
    const index = this.layout.indexOf(name);
    assert(index !== -1, `the batch has no column ${name}`);
    return this.columnAt(index);
  }

  /** The column at a place of the layout. */
  columnAt(index: number): Column {
    const known = this.#columns[index];
    if (known !== undefined) return known;
    const spec = this.layout.columns[index]!;
    const column = allocate(spec.kind, this.capacity);
    this.#columns[index] = column;
    return column;
  }

  /** The column if it is in use; otherwise undefined: it is absent in every row. */
  filled(name: string): Column | undefined {
    return this.filledAt(this.layout.indexOf(name));
  }

  filledAt(index: number): Column | undefined {
    return this.#columns[index];
  }

  u8(name: string): Uint8Array {
    return this.#of(name, 'u8').values;
  }

  u16(name: string): Uint16Array {
    return this.#of(name, 'u16').values;
  }

  u32(name: string): Uint32Array {
    return this.#of(name, 'u32').values;
  }

  f64(name: string): Float64Array {
    return this.#of(name, 'f64').values;
  }

  /** Ids of a `str`, `addr` or `mac` column. */
  ids(name: string): Uint32Array {
    const column = this.column(name);
    assert(
      column.kind === 'str' || column.kind === 'addr' || column.kind === 'mac',
      `column ${name} holds ${column.kind}, not ids`,
    );
    return column.values;
  }

  list(name: string): ListColumn {
    const column = this.column(name);
    assert(
      column.kind === 'list<u32>' || column.kind === 'list<str>',
      `column ${name} holds ${column.kind}, not lists`,
    );
    return column;
  }

  any(name: string): unknown[] {
    const column = this.column(name);
    assert(column.kind === 'any', `column ${name} holds ${column.kind}`);
    return column.values;
  }

  /** Presence bitmap of a numeric column. */
  present(name: string): Uint32Array {
    const column = this.column(name);
    assert('present' in column, `column ${name} holds ${column.kind}, which has no bitmap`);
    return column.present;
  }

  /** Marks a numeric column as present in all rows. */
  markPresent(name: string): void {
    setFirstBits(this.present(name), this.length);
  }

  /** Clears all rows, so that the batch can be filled again. */
  reset(tables: InternTables): void {
    this.tables = tables;
    this.length = 0;
    this.selection = undefined;
    this.receivedMs = 0;
    for (const column of this.#columns) if (column !== undefined) clearColumn(column);
  }

  /**
   * A batch that shares all columns except the `written` ones, which are copied, and has room for
   * the added columns of `layout`. Both share the selection until one side sets its own. `earlier`
   * is an unused fork by the same layout and names: its memory is reused.
   */
  fork(layout: BatchLayout, written: ReadonlySet<string>, earlier?: FlowBatch): FlowBatch {
    const fork = earlier ?? new FlowBatch(layout, this.tables, this.capacity);
    for (const [index, { name }] of layout.columns.entries()) {
      const at = this.layout.indexOf(name);
      if (at !== -1 && !written.has(name)) fork.#columns[index] = this.#columns[at];
      else fork.#columns[index] = renewed(fork.#columns[index], this.#columns[at]);
    }
    fork.tables = this.tables;
    fork.length = this.length;
    fork.selection = this.selection;
    fork.receivedMs = this.receivedMs;
    return fork;
  }

  #of<Kind extends 'u8' | 'u16' | 'u32' | 'f64'>(name: string, kind: Kind): ColumnOf<Kind> {
    const column = this.column(name);
    assert(column.kind === kind, `column ${name} holds ${column.kind}, not ${kind}`);
    return column as ColumnOf<Kind>;
  }
}

/** Appends a value to the list of the row being filled; `endList` closes it. */
export function pushList(column: ListColumn, end: number, value: number): number {
  if (end === column.values.length) {
    const values = new Uint32Array(column.values.length * 2);
    values.set(column.values);
    column.values = values;
  }
  column.values[end] = value;
  return end + 1;
}

function allocate(kind: FieldKind, capacity: number): Column {
  const present = (): Uint32Array => new Uint32Array(bitWords(capacity));
  switch (kind) {
    case 'u8':
      return { kind, values: new Uint8Array(capacity), present: present() };
    case 'u16':
      return { kind, values: new Uint16Array(capacity), present: present() };
    case 'u32':
      return { kind, values: new Uint32Array(capacity), present: present() };
    case 'f64':
      return { kind, values: new Float64Array(capacity), present: present() };
    case 'str':
    case 'addr':
    case 'mac':
      return { kind, values: new Uint32Array(capacity) };
    case 'list<u32>':
    case 'list<str>':
      return { kind, offsets: new Uint32Array(capacity + 1), values: new Uint32Array(capacity) };
    case 'any':
      return { kind, values: [] };
  }
}

/** Makes the column absent in every row. */
export function clearColumn(column: Column): void {
  switch (column.kind) {
    case 'str':
    case 'addr':
    case 'mac':
      column.values.fill(0);
      return;
    case 'list<u32>':
    case 'list<str>':
      column.offsets.fill(0);
      return;
    case 'any':
      column.values.length = 0;
      return;
    default:
      column.present.fill(0);
  }
}

/** A column of its own with the values of `from`, in the memory of `own` if that exists. */
function renewed(own: Column | undefined, from: Column | undefined): Column | undefined {
  if (from === undefined) {
    if (own !== undefined) clearColumn(own);
    return own;
  }
  if (own === undefined || own.kind !== from.kind) return copy(from);
  if (own.kind === 'any') {
    const { values } = from as AnyColumn;
    own.values.length = 0;
    for (let row = 0; row < values.length; row++) own.values[row] = values[row];
    return own;
  }
  const source = from as Exclude<Column, AnyColumn>;
  if (own.values.length < source.values.length) return copy(from);
  own.values.set(source.values);
  if ('present' in own) own.present.set((from as F64Column).present);
  else if ('offsets' in own) own.offsets.set((from as ListColumn).offsets);
  return own;
}

function copy(column: Column): Column {
  switch (column.kind) {
    case 'u8':
      return { kind: column.kind, values: column.values.slice(), present: column.present.slice() };
    case 'u16':
      return { kind: column.kind, values: column.values.slice(), present: column.present.slice() };
    case 'u32':
      return { kind: column.kind, values: column.values.slice(), present: column.present.slice() };
    case 'f64':
      return { kind: column.kind, values: column.values.slice(), present: column.present.slice() };
    case 'str':
    case 'addr':
    case 'mac':
      return { kind: column.kind, values: column.values.slice() };
    case 'list<u32>':
    case 'list<str>':
      return {
        kind: column.kind,
        offsets: column.offsets.slice(),
        values: column.values.slice(),
      };
    case 'any':
      return { kind: column.kind, values: column.values.slice() };
  }
}
