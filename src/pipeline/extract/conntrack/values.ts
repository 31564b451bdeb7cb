import type { Column, FlowBatch, IdColumn, ListColumn } from '../../../flow/batch.ts';
import { pushList } from '../../../flow/batch.ts';
import { hasBit, setBit } from '../../../flow/bits.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { MISSING } from '../../../flow/intern.ts';
import { grown } from './connection-table.ts';

/**
 * One value for each slot. Values outlive batches and their generation of intern tables: addresses
 * are kept as words, and texts as the strings of the tables that they came from.
 */
export interface Values {
  /** Makes room for slots below `capacity`. */
  reserve(capacity: number): void;
  clear(slot: number): void;
  /**
   * Takes the values of `rows[i]` for `slots[i]`; a row without one changes nothing. `isFirst`:
   * slots that have a value keep it. Returns the number of rows without a value.
   */
  take(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array,
    slots: Uint32Array,
    count: number,
    isFirst: boolean,
  ): number;
  /** Puts the values of `slots[from + i]` into row i of the column, for i from 0 to `count`. */
  write(batch: FlowBatch, field: string, slots: Uint32Array, from: number, count: number): void;
}

/** Values of a column of this kind. */
export function valuesOf(kind: FieldKind): Values {
  switch (kind) {
    case 'u8':
    case 'u16':
    case 'u32':
    case 'f64':
      return new NumberValues();
    case 'addr':
      return new WordValues(4);
    case 'mac':
      return new WordValues(2);
    case 'str':
    case 'any':
      return new ReferenceValues();
    case 'list<u32>':
    case 'list<str>':
      return new ListValues();
  }
}

type NumberColumn = Extract<Column, { readonly present: Uint32Array }>;

/** NaN: there is no value. */
class NumberValues implements Values {
  #values = new Float64Array(0);

  reserve(capacity: number): void {
    const before = this.#values.length;
    this.#values = grown(this.#values, capacity);
    this.#values.fill(Number.NaN, before);
  }

  clear(slot: number): void {
    this.#values[slot] = Number.NaN;
  }

  take(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array,
    slots: Uint32Array,
    count: number,
    isFirst: boolean,
  ): number {
    const column = batch.filled(field) as NumberColumn | undefined;
    if (column === undefined) return count;
    const { values, present } = column;
    const own = this.#values;
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (!hasBit(present, row)) missing++;
      else if (!isFirst || Number.isNaN(own[slots[i]!]!)) own[slots[i]!] = values[row]!;
    }
    return missing;
  }

  write(batch: FlowBatch, field: string, slots: Uint32Array, from: number, count: number): void {
    const { values, present } = batch.column(field) as NumberColumn;
    for (let i = 0; i < count; i++) {
      const value = this.#values[slots[from + i]!]!;
      if (Number.isNaN(value)) continue;
      values[i] = value;
      setBit(present, i);
    }
  }
}

/** Addresses of four words, MACs of two. */
class WordValues implements Values {
  readonly #width: number;
  #words = new Uint32Array(0);
  #isThere = new Uint8Array(0);

  constructor(width: number) {
    this.#width = width;
  }

  reserve(capacity: number): void {
    this.#words = grown(this.#words, capacity * this.#width);
    this.#isThere = grown(this.#isThere, capacity);
  }

  clear(slot: number): void {
    this.#isThere[slot] = 0;
  }

  take(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array,
    slots: Uint32Array,
    count: number,
    isFirst: boolean,
  ): number {
    const column = batch.filled(field) as IdColumn | undefined;
    if (column === undefined) return count;
    const { addresses, macs } = batch.tables;
    const table = column.kind === 'addr' ? addresses : macs;
    const width = this.#width;
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const id = column.values[rows[i]!]!;
      const slot = slots[i]!;
      if (id === MISSING) missing++;
      else if (!isFirst || this.#isThere[slot] === 0) {
        for (let word = 0; word < width; word++) {
          this.#words[slot * width + word] = table.word(id, word);
        }
        this.#isThere[slot] = 1;
      }
    }
    return missing;
  }

  write(batch: FlowBatch, field: string, slots: Uint32Array, from: number, count: number): void {
    const { kind, values } = batch.column(field) as IdColumn;
    const { addresses, macs } = batch.tables;
    const words = this.#words;
    for (let i = 0; i < count; i++) {
      const slot = slots[from + i]!;
      if (this.#isThere[slot] === 0) values[i] = MISSING;
      else if (kind === 'addr') values[i] = addresses.internWords(words, slot * this.#width);
      else values[i] = macs.intern(words[slot * 2]!, words[slot * 2 + 1]!);
    }
  }
}

/** Texts and values of any kind, by reference. */
class ReferenceValues implements Values {
  readonly #values: unknown[] = [];

  reserve(capacity: number): void {
    while (this.#values.length < capacity) this.#values.push(undefined);
  }

  clear(slot: number): void {
    this.#values[slot] = undefined;
  }

  take(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array,
    slots: Uint32Array,
    count: number,
    isFirst: boolean,
  ): number {
    const column = batch.filled(field);
    if (column === undefined) return count;
    const { strings } = batch.tables;
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const value = column.values[rows[i]!];
      const isMissing = column.kind === 'str' ? value === MISSING : value === undefined;
      const slot = slots[i]!;
      if (isMissing) missing++;
      else if (!isFirst || this.#values[slot] === undefined) {
        this.#values[slot] = column.kind === 'str' ? strings.text(value as number) : value;
      }
    }
    return missing;
  }

  write(batch: FlowBatch, field: string, slots: Uint32Array, from: number, count: number): void {
    const column = batch.column(field);
    const { strings } = batch.tables;
    for (let i = 0; i < count; i++) {
      const value = this.#values[slots[from + i]!];
      if (column.kind === 'any') column.values[i] = value;
      else
        (column as IdColumn).values[i] =
          value === undefined ? MISSING : strings.intern(value as string);
    }
  }
}

/** Lists of numbers or texts; the memory of a slot's list is used again. */
class ListValues implements Values {
  readonly #lists: ((number | string)[] | undefined)[] = [];

  reserve(capacity: number): void {
    while (this.#lists.length < capacity) this.#lists.push(undefined);
  }

  clear(slot: number): void {
    this.#lists[slot] = undefined;
  }

  take(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array,
    slots: Uint32Array,
    count: number,
    isFirst: boolean,
  ): number {
    const column = batch.filled(field) as ListColumn | undefined;
    if (column === undefined) return count;
    const { kind, offsets, values } = column;
    const { strings } = batch.tables;
    let missing = 0;
    for (let i = 0; i < count; i++) {
      const start = offsets[rows[i]!]!;
      const end = offsets[rows[i]! + 1]!;
      if (start === end) {
        missing++;
        continue;
      }
      let list = this.#lists[slots[i]!];
      if (list !== undefined && isFirst) continue;
      list ??= [];
      this.#lists[slots[i]!] = list;
      list.length = end - start;
      for (let at = start; at < end; at++) {
        list[at - start] = kind === 'list<str>' ? strings.text(values[at]!) : values[at]!;
      }
    }
    return missing;
  }

  write(batch: FlowBatch, field: string, slots: Uint32Array, from: number, count: number): void {
    const column = batch.list(field);
    const { strings } = batch.tables;
    let end = 0;
    for (let i = 0; i < count; i++) {
      const list = this.#lists[slots[from + i]!];
      for (let at = 0; list !== undefined && at < list.length; at++) {
        const value = list[at]!;
        end = pushList(column, end, typeof value === 'string' ? strings.intern(value) : value);
      }
      column.offsets[i + 1] = end;
    }
  }
}
