import { textOf } from '../base/shown.ts';
import type { Column, FlowBatch, IdColumn } from '../flow/batch.ts';
import { hasBit } from '../flow/bits.ts';
import { IdMemo, UNKNOWN } from '../flow/id-memo.ts';
import { type InternTable, type InternTables, MISSING } from '../flow/intern.ts';

/** Answer in the memos, beside `UNKNOWN`. */
const FAIL = 1;
const PASS = 2;

/** The answer for a value by its text; a constant where only presence counts. */
export type Accepts = boolean | ((text: string) => boolean);

/** Distinct wide numbers whose answer is remembered; beyond this the memory is cleared. */
const WIDE_MEMO_MAX = 65_536;

/**
 * A condition on one field, as a function of its text, which is evaluated once per distinct value:
 * per intern id, per small number, never per row. `absent` is the answer without a value.
 */
export class ColumnTest {
  readonly field: string;
  readonly #absent: boolean;
  readonly #accepts: Accepts;
  readonly #byId = new IdMemo();
  // Made when a column of small numbers is tested: most conditions are on names.
  #bySmall: Uint8Array | undefined;
  readonly #byWide = new Map<number, number>();

  constructor(field: string, absent: boolean, accepts: Accepts) {
    this.field = field;
    this.#absent = absent;
    this.#accepts = accepts;
  }

  /**
   * Copies those of `rows[0 .. count]` (undefined: rows 0 to count) that pass to `kept`, which may
   * be `rows` itself, and returns their number.
   */
  narrow(
    batch: FlowBatch,
    rows: Uint32Array | undefined,
    count: number,
    kept: Uint32Array,
  ): number {
    if (!batch.has(this.field)) return this.#absent ? copyRows(rows, count, kept) : 0;
    const column = batch.column(this.field);
    if (isIdColumn(column)) {
      return this.#narrowIds(batch, column, rows, count, kept);
    }
    return this.#narrowValues(column, rows, count, kept);
  }

  /** The answer for a value outside of a column: an element of a list. */
  acceptsText(text: string): boolean {
    return typeof this.#accepts === 'boolean' ? this.#accepts : this.#accepts(text);
  }

  /** The same for a string given by its id; not for tests that are used on columns as well. */
  acceptsString(tables: InternTables, id: number): boolean {
    const memo = this.#byId.for(tables, tables.strings.size);
    if (memo[id] === UNKNOWN) memo[id] = this.acceptsText(tables.strings.text(id)) ? PASS : FAIL;
    return memo[id] === PASS;
  }

  get absent(): boolean {
    return this.#absent;
  }

  #narrowIds(
    batch: FlowBatch,
    column: IdColumn,
    rows: Uint32Array | undefined,
    count: number,
    kept: Uint32Array,
  ): number {
    const table = tableOf(batch, column.kind);
    const memo = this.#byId.for(batch.tables, table.size);
    memo[MISSING] = this.#absent ? PASS : FAIL;
    const ids = column.values;
    let left = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      const id = ids[row]!;
      let answer = memo[id]!;
      if (answer === UNKNOWN) {
        answer = this.acceptsText(table.text(id)) ? PASS : FAIL;
        memo[id] = answer;
      }
      if (answer === PASS) kept[left++] = row;
    }
    return left;
  }

  #narrowValues(
    column: Exclude<Column, IdColumn>,
    rows: Uint32Array | undefined,
    count: number,
    kept: Uint32Array,
  ): number {
    if ('present' in column && typeof this.#accepts === 'boolean') {
      return narrowPresent(column.present, this.#accepts, this.#absent, rows, count, kept);
    }
    let left = 0;
    if (column.kind === 'u8' || column.kind === 'u16') {
      const { values, present } = column;
      for (let i = 0; i < count; i++) {
        const row = rows === undefined ? i : rows[i]!;
        const passes = hasBit(present, row) ? this.#smallPasses(values[row]!) : this.#absent;
        if (passes) kept[left++] = row;
      }
      return left;
    }
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      if (this.#valuePasses(column, row)) kept[left++] = row;
    }
    return left;
  }

  #valuePasses(column: Exclude<Column, IdColumn>, row: number): boolean {
    switch (column.kind) {
      case 'u8':
      case 'u16':
      case 'u32':
      case 'f64':
        return hasBit(column.present, row) ? this.#widePasses(column.values[row]!) : this.#absent;
      case 'list<u32>':
      case 'list<str>':
        return column.offsets[row] === column.offsets[row + 1]
          ? this.#absent
          : this.acceptsText('');
      case 'any': {
        const value = column.values[row];
        return value === undefined ? this.#absent : this.acceptsText(textOf(value));
      }
    }
  }

  #smallPasses(value: number): boolean {
    this.#bySmall ??= new Uint8Array(65_536);
    let answer = this.#bySmall[value]!;
    if (answer === UNKNOWN) {
      answer = this.acceptsText(String(value)) ? PASS : FAIL;
      this.#bySmall[value] = answer;
    }
    return answer === PASS;
  }

  #widePasses(value: number): boolean {
    const known = this.#byWide.get(value);
    if (known !== undefined) return known === PASS;
    if (this.#byWide.size >= WIDE_MEMO_MAX) this.#byWide.clear();
    const passes = this.acceptsText(String(value));
    this.#byWide.set(value, passes ? PASS : FAIL);
    return passes;
  }
}

function narrowPresent(
  present: Uint32Array,
  ifPresent: boolean,
  ifAbsent: boolean,
  rows: Uint32Array | undefined,
  count: number,
  kept: Uint32Array,
): number {
  let left = 0;
  for (let i = 0; i < count; i++) {
    const row = rows === undefined ? i : rows[i]!;
    if (hasBit(present, row) ? ifPresent : ifAbsent) kept[left++] = row;
  }
  return left;
}

export function isIdColumn(column: Column): column is IdColumn {
  return column.kind === 'str' || column.kind === 'addr' || column.kind === 'mac';
}

/** The table that a column's ids belong to. */
export function tableOf(batch: FlowBatch, kind: 'str' | 'addr' | 'mac'): InternTable {
  const { strings, addresses, macs } = batch.tables;
  return kind === 'str' ? strings : kind === 'addr' ? addresses : macs;
}

function copyRows(rows: Uint32Array | undefined, count: number, kept: Uint32Array): number {
  if (rows === undefined) for (let row = 0; row < count; row++) kept[row] = row;
  else if (rows !== kept) kept.set(rows.subarray(0, count));
  return count;
}
