import type { FlowBatch } from '../../../../flow/batch.ts';
import { hasBit } from '../../../../flow/bits.ts';
import { ColumnTest } from '../../../column-test.ts';
import type { Narrow } from '../../select.ts';

/** A condition on a number; texts that are numbers count as well. Absent values fail. */
export class NumberTest {
  readonly #field: string;
  readonly #accepts: (value: number) => boolean;
  /** For columns of other kinds than numbers. */
  readonly #byText: ColumnTest;
  readonly #byEntry: ListTest;

  constructor(field: string, accepts: (value: number) => boolean) {
    this.#field = field;
    this.#accepts = accepts;
    const ofText = (text: string): boolean => text.trim() !== '' && accepts(Number(text));
    this.#byText = new ColumnTest(field, false, ofText);
    this.#byEntry = new ListTest(field, ofText);
  }

  readonly narrow: Narrow = (batch, rows, count, kept) => {
    const column = batch.filled(this.#field);
    if (column === undefined) return 0;
    if ('offsets' in column) return this.#byEntry.narrow(batch, rows, count, kept);
    if (!('present' in column)) return this.#byText.narrow(batch, rows, count, kept);
    const { values, present } = column;
    const accepts = this.#accepts;
    let left = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      if (hasBit(present, row) && accepts(values[row]!)) kept[left++] = row;
    }
    return left;
  };
}

/** Lists with an entry that is accepted. */
export class ListTest {
  readonly #field: string;
  readonly #test: ColumnTest;

  constructor(field: string, accepts: (text: string) => boolean) {
    this.#field = field;
    this.#test = new ColumnTest(field, false, accepts);
  }

  readonly narrow: Narrow = (batch, rows, count, kept) => {
    const column = batch.filled(this.#field);
    if (column === undefined || !('offsets' in column)) return 0;
    const { offsets, values, kind } = column;
    let left = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      const end = offsets[row + 1]!;
      for (let at = offsets[row]!; at < end; at++) {
        if (!this.#accepts(batch, values[at]!, kind)) continue;
        kept[left++] = row;
        break;
      }
    }
    return left;
  };

  #accepts({ tables }: FlowBatch, value: number, kind: 'list<str>' | 'list<u32>'): boolean {
    if (kind === 'list<str>') return this.#test.acceptsString(tables, value);
    return this.#test.acceptsText(String(value));
  }
}
