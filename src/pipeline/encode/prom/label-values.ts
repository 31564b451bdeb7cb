import { textOf } from '../../../base/shown.ts';
import type { Column, FlowBatch, IdColumn } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import { IdMemo, UNKNOWN } from '../../../flow/id-memo.ts';
import { StringTable } from '../../../flow/intern.ts';
import { isIdColumn, tableOf } from '../../column-test.ts';

/** The value of a label whose field is absent or the empty text. */
export const EMPTY_VALUE = 0;

/** Distinct wide numbers whose id is remembered; beyond this the memory is cleared. */
const WIDE_MEMO_MAX = 65_536;

type IdKind = IdColumn['kind'];

/**
 * The stage's own ids of label values: series outlive batches and their generation of intern
 * tables, so they are not keyed by the tables' ids. Look-up tables translate the ids and numbers of
 * batches; those for ids hold for one generation. A new generation costs one text per distinct
 * value; batches of an older one are translated correctly, too.
 */
export class LabelValues {
  #texts = new StringTable();
  #memos = newMemos();
  // Indexed by the value of a u8 or u16 column; ids are stored plus one.
  #small = new Uint32Array(65_536);
  readonly #wide = new Map<number, number>();

  /** How often `compact` gave values new ids. */
  compactions = 0;

  get size(): number {
    return this.#texts.size;
  }

  text(id: number): string {
    return this.#texts.text(id);
  }

  idOf(text: string): number {
    return text === '' ? EMPTY_VALUE : this.#texts.intern(text);
  }

  /** Puts the id of each row's value of `field` at `out[row * stride + at]`. */
  read(
    batch: FlowBatch,
    field: string,
    rows: Uint32Array | undefined,
    count: number,
    out: Uint32Array,
    at: number,
    stride: number,
  ): void {
    const column = batch.has(field) ? batch.column(field) : undefined;
    if (column !== undefined && isIdColumn(column)) {
      const { kind, values } = column;
      const memo = this.#memos[kind].for(batch.tables, tableOf(batch, kind).size);
      memo[0] = EMPTY_VALUE + 1;
      for (let i = 0; i < count; i++) {
        const row = rows === undefined ? i : rows[i]!;
        const id = values[row]!;
        let value = memo[id]!;
        if (value === UNKNOWN) {
          value = this.idOf(tableOf(batch, kind).text(id)) + 1;
          memo[id] = value;
        }
        out[row * stride + at] = value - 1;
      }
      return;
    }
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      out[row * stride + at] = column === undefined ? EMPTY_VALUE : this.#valueId(column, row);
    }
  }

  /** Id of a string given by its id in the batch's tables. */
  idOfString(batch: FlowBatch, string: number): number {
    const { strings } = batch.tables;
    const memo = this.#memos.str.for(batch.tables, strings.size);
    let value = memo[string]!;
    if (value === UNKNOWN) {
      value = this.idOf(strings.text(string)) + 1;
      memo[string] = value;
    }
    return value - 1;
  }

  idOfNumber(number: number): number {
    const known = this.#wide.get(number);
    if (known !== undefined) return known;
    if (this.#wide.size >= WIDE_MEMO_MAX) this.#wide.clear();
    const id = this.idOf(String(number));
    this.#wide.set(number, id);
    return id;
  }

  /**
   * Forgets all values except those in `live`, which is rewritten to their new ids; all places that
   * hold ids must be in it.
   */
  compact(live: readonly Uint32Array[]): void {
    const texts = this.#texts;
    this.compactions++;
    this.#texts = new StringTable();
    for (const ids of live) {
      for (let i = 0; i < ids.length; i++) ids[i] = this.idOf(texts.text(ids[i]!));
    }
    this.#memos = newMemos();
    this.#small.fill(UNKNOWN);
    this.#wide.clear();
  }

  #valueId(column: Exclude<Column, IdColumn>, row: number): number {
    switch (column.kind) {
      case 'u8':
      case 'u16':
        return hasBit(column.present, row) ? this.#smallId(column.values[row]!) : EMPTY_VALUE;
      case 'u32':
      case 'f64':
        return hasBit(column.present, row) ? this.idOfNumber(column.values[row]!) : EMPTY_VALUE;
      case 'any': {
        const value = column.values[row];
        return value === undefined ? EMPTY_VALUE : this.idOf(textOf(value));
      }
      default:
        // Lists are labels only when they are flattened.
        return EMPTY_VALUE;
    }
  }

  #smallId(value: number): number {
    let id = this.#small[value]!;
    if (id === UNKNOWN) {
      id = this.idOf(String(value)) + 1;
      this.#small[value] = id;
    }
    return id - 1;
  }
}

function newMemos(): Readonly<Record<IdKind, IdMemo>> {
  return { str: new IdMemo(), addr: new IdMemo(), mac: new IdMemo() };
}
