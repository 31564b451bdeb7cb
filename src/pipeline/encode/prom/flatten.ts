import { textOf } from '../../../base/shown.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import type { ColumnTest } from '../../column-test.ts';
import type { LabelGroup, Now, SeenSeries } from './group.ts';
import { EMPTY_VALUE, type LabelValues } from './label-values.ts';

/** Most samples of one flow; its lists are cut to fit. */
const PARTS_MAX = 1024;

/** The part needed of each element of a flattened list: the element, or one key of it. */
export interface FlatKey {
  /** Undefined: the element itself; else the `Key` of `Field>Key`. */
  readonly key: string | undefined;
  /** Position among the labels, -1 when it is only used in filters. */
  readonly label: number;
  readonly test: ColumnTest | undefined;
}

/** Elements of one list field of the current row. */
class Parts {
  readonly field: string;
  readonly keys: readonly FlatKey[];
  readonly #values: LabelValues;
  count = 0;
  /** Label value ids, `keys.length` per part. */
  readonly ids: number[] = [];

  constructor(field: string, keys: readonly FlatKey[], values: LabelValues) {
    this.field = field;
    this.keys = keys;
    this.#values = values;
  }

  /** Absent or empty lists are one part without a value. */
  load(batch: FlowBatch, row: number): void {
    this.count = 0;
    this.ids.length = 0;
    const column = batch.has(this.field) ? batch.column(this.field) : undefined;
    if (column?.kind === 'list<str>' || column?.kind === 'list<u32>') {
      const end = column.offsets[row + 1]!;
      for (let at = column.offsets[row]!; at < end; at++) {
        const value = column.values[at]!;
        if (column.kind === 'list<str>') this.#addString(batch, value);
        else this.#add(String(value));
      }
      if (end > column.offsets[row]!) return;
    } else if (column?.kind === 'any') {
      const value = column.values[row];
      const elements = Array.isArray(value) ? value : value === undefined ? [] : [value];
      for (const element of elements) this.#add(element);
      if (elements.length > 0) return;
    }
    this.#add(undefined);
  }

  /** The same as `#add`, by id, so that known strings need no text. */
  #addString(batch: FlowBatch, string: number): void {
    if (this.count >= PARTS_MAX) return;
    for (const { key, test } of this.keys) {
      if (test === undefined) continue;
      if (!(key === undefined ? test.acceptsString(batch.tables, string) : test.absent)) return;
    }
    for (const { key } of this.keys) {
      this.ids.push(key === undefined ? this.#values.idOfString(batch, string) : EMPTY_VALUE);
    }
    this.count++;
  }

  /** Adds an element unless one of its filters rejects it. */
  #add(element: unknown): void {
    if (this.count >= PARTS_MAX) return;
    const start = this.ids.length;
    for (const { key, test } of this.keys) {
      const text = elementText(element, key);
      const passes =
        test === undefined || (text === undefined ? test.absent : test.acceptsText(text));
      if (!passes) {
        this.ids.length = start;
        return;
      }
      this.ids.push(text === undefined ? EMPTY_VALUE : this.#values.idOf(text));
    }
    this.count++;
  }
}

function elementText(element: unknown, key: string | undefined): string | undefined {
  if (element === undefined || element === null) return undefined;
  const isMap = typeof element === 'object' && !Array.isArray(element);
  if (key === undefined) return isMap ? undefined : textOf(element);
  if (!isMap || !Object.hasOwn(element, key)) return undefined;
  return textOf((element as Readonly<Record<string, unknown>>)[key]);
}

/**
 * Makes several samples of a flow: one for each element of its list fields, for each combination of
 * elements when there are several fields. List fields are rare and short, so this works with texts.
 */
export class Flattener {
  readonly #fields: readonly Parts[];
  readonly #values: LabelValues;
  readonly #plainLabels: readonly (readonly [at: number, field: string])[];
  #plain = new Uint32Array(0);
  #words: Uint32Array;
  rows = new Uint32Array(64);
  slots = new Int32Array(64);

  constructor(
    keys: ReadonlyMap<string, readonly FlatKey[]>,
    labels: readonly string[],
    values: LabelValues,
  ) {
    this.#fields = [...keys].map(([field, wanted]) => new Parts(field, wanted, values));
    this.#values = values;
    const flat = new Set([...keys.values()].flat().map((key) => key.label));
    this.#plainLabels = [...labels.entries()].filter(([at]) => !flat.has(at));
    this.#words = new Uint32Array(labels.length);
  }

  /** Rows and slots of all samples of `rows[0 .. count]`, in `this.rows` and `this.slots`. */
  resolve(
    batch: FlowBatch,
    rows: Uint32Array,
    count: number,
    group: LabelGroup,
    seen: SeenSeries,
    now: Now,
  ): number {
    const width = this.#words.length;
    if (this.#plain.length < batch.capacity * width) {
      this.#plain = new Uint32Array(batch.capacity * width);
    }
    for (const [at, field] of this.#plainLabels) {
      this.#values.read(batch, field, rows, count, this.#plain, at, width);
    }
    let samples = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const combinations = this.#load(batch, row);
      for (let part = 0; part < combinations; part++) {
        this.#fill(row, part);
        this.#push(samples++, row, group.resolveWords(this.#words, seen, now));
      }
    }
    return samples;
  }

  /** Reads the row's lists; returns how many combinations of their elements there are. */
  #load(batch: FlowBatch, row: number): number {
    let combinations = 1;
    for (let i = 0; i < this.#fields.length; i++) {
      const field = this.#fields[i]!;
      field.load(batch, row);
      combinations *= field.count;
    }
    return Math.min(combinations, PARTS_MAX);
  }

  /** Label values of one combination; its number is read as digits, one per field. */
  #fill(row: number, part: number): void {
    const words = this.#words;
    for (let at = 0; at < words.length; at++) words[at] = this.#plain[row * words.length + at]!;
    let rest = part;
    for (let i = 0; i < this.#fields.length; i++) {
      const { count, keys, ids } = this.#fields[i]!;
      const first = (rest % count) * keys.length;
      rest = Math.floor(rest / count);
      for (let index = 0; index < keys.length; index++) {
        const { label } = keys[index]!;
        if (label >= 0) words[label] = ids[first + index]!;
      }
    }
  }

  #push(at: number, row: number, slot: number): void {
    if (at === this.rows.length) {
      const rows = new Uint32Array(at * 2);
      rows.set(this.rows);
      this.rows = rows;
      const slots = new Int32Array(at * 2);
      slots.set(this.slots);
      this.slots = slots;
    }
    this.rows[at] = row;
    this.slots[at] = slot;
  }
}
