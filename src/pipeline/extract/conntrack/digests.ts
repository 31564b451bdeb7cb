import { textOf } from '../../../base/shown.ts';
import type { Column, FlowBatch, IdColumn } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import { IdMemo } from '../../../flow/id-memo.ts';
import { MISSING } from '../../../flow/intern.ts';
import { isIdColumn, tableOf } from '../../column-test.ts';
import { Hashes } from './fnv.ts';

/** Distinct values of u8 and u16 columns, whose hashes are remembered. */
const SMALL_VALUES = 65_536;
/** Up to here, numbers are whole and their digits have no exponent. */
const WHOLE_MAX = Number.MAX_SAFE_INTEGER;
const DIGITS_MAX = 16;
const ZERO = 48;

type IdKind = IdColumn['kind'];

/**
 * Hashes of the texts of values, so that they depend neither on ids nor on the kind of the column.
 * That of an id is remembered for one generation of tables. Absent values have the hash 0.
 */
export class Digests {
  readonly #byId: Readonly<Record<IdKind, { high: IdMemo; low: IdMemo }>> = {
    str: { high: new IdMemo(), low: new IdMemo() },
    addr: { high: new IdMemo(), low: new IdMemo() },
    mac: { high: new IdMemo(), low: new IdMemo() },
  };
  // Made when a key field holds small numbers.
  #small: Hashes | undefined;
  readonly #one = new Hashes();
  readonly #digits = new Uint8Array(DIGITS_MAX);
  readonly #encoder = new TextEncoder();

  constructor() {
    this.#one.reserve(1);
  }

  /** Sets `out[i]` for the value of `rows[i]`; returns the number of absent ones. */
  read(batch: FlowBatch, field: string, rows: Uint32Array, count: number, out: Hashes): number {
    const column = batch.filled(field);
    if (column === undefined) {
      out.high.fill(0, 0, count);
      out.low.fill(0, 0, count);
      return count;
    }
    if (isIdColumn(column)) return this.#readIds(batch, column, rows, count, out);
    if (column.kind === 'u8' || column.kind === 'u16') {
      return this.#readSmall(column.values, column.present, rows, count, out);
    }
    let missing = 0;
    for (let i = 0; i < count; i++) {
      if (this.#load(column, rows[i]!)) {
        out.high[i] = this.#one.high[0]!;
        out.low[i] = this.#one.low[0]!;
      } else {
        missing++;
        out.high[i] = 0;
        out.low[i] = 0;
      }
    }
    return missing;
  }

  #readIds(
    batch: FlowBatch,
    { kind, values }: IdColumn,
    rows: Uint32Array,
    count: number,
    out: Hashes,
  ): number {
    const table = tableOf(batch, kind);
    const high = this.#byId[kind].high.for(batch.tables, table.size);
    const low = this.#byId[kind].low.for(batch.tables, table.size);
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const id = values[rows[i]!]!;
      if (id === MISSING) missing++;
      else if (high[id] === 0 && low[id] === 0) {
        this.#loadText(table.text(id));
        high[id] = this.#one.high[0]!;
        low[id] = this.#one.low[0]!;
      }
      out.high[i] = high[id]!;
      out.low[i] = low[id]!;
    }
    return missing;
  }

  #readSmall(
    values: Uint8Array | Uint16Array,
    present: Uint32Array,
    rows: Uint32Array,
    count: number,
    out: Hashes,
  ): number {
    const small = this.#smallHashes();
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const isThere = hasBit(present, row);
      if (!isThere) missing++;
      const value = values[row]!;
      out.high[i] = isThere ? small.high[value]! : 0;
      out.low[i] = isThere ? small.low[value]! : 0;
    }
    return missing;
  }

  #smallHashes(): Hashes {
    if (this.#small !== undefined) return this.#small;
    const small = new Hashes();
    small.reserve(SMALL_VALUES);
    for (let value = 0; value < SMALL_VALUES; value++) {
      small.set(value, this.#digits, this.#writeDigits(value), DIGITS_MAX);
    }
    this.#small = small;
    return small;
  }

  /** Hashes the value of a row; false: it has none. */
  #load(column: Exclude<Column, IdColumn>, row: number): boolean {
    if ('present' in column) {
      const value = column.values[row]!;
      if (!hasBit(column.present, row) || !Number.isFinite(value)) return false;
      this.#loadNumber(value);
      return true;
    }
    // The stage refuses lists as key fields.
    const value = column.kind === 'any' ? column.values[row] : undefined;
    if (value === undefined || value === null) return false;
    if (typeof value === 'number') this.#loadNumber(value);
    else this.#loadText(textOf(value));
    return true;
  }

  #loadNumber(value: number): void {
    if (value >= 0 && value <= WHOLE_MAX && Number.isInteger(value)) {
      this.#one.set(0, this.#digits, this.#writeDigits(value), DIGITS_MAX);
    } else this.#loadText(String(value));
  }

  #loadText(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.#one.set(0, bytes, 0, bytes.length);
  }

  /** Writes decimal digits to the end of the buffer; returns where they begin. */
  #writeDigits(value: number): number {
    let at = DIGITS_MAX;
    let rest = value;
    do {
      const tens = Math.floor(rest / 10);
      this.#digits[--at] = ZERO + rest - tens * 10;
      rest = tens;
    } while (rest > 0);
    return at;
  }
}
