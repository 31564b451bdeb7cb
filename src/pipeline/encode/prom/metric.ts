import type { Column, FlowBatch } from '../../../flow/batch.ts';
import { hasBit } from '../../../flow/bits.ts';
import type { Accumulator, PointReader } from './accumulator.ts';
import type { RowFilter } from './filters.ts';
import type { Flattener } from './flatten.ts';
import type { LabelGroup, Now, SeenSeries } from './group.ts';
import type { Series } from './series-state.ts';

export interface FlowMetricSpec {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** The value is a list: each of its numbers is one. */
  readonly isList: boolean;
  /** Empty: every flow counts 1. */
  readonly valueKey: string;
  readonly valueScale: number;
}

/** Buffers that all metrics of a stage share: they work one after the other. */
export interface Scratch {
  rows: Uint32Array;
  slots: Int32Array;
  values: Float64Array;
}

/** One metric made from flows: it selects the flows, their series and their number. */
export class SeriesMetric {
  readonly spec: FlowMetricSpec;
  readonly group: LabelGroup;
  readonly seen: SeenSeries;
  readonly #filters: readonly RowFilter[];
  readonly #flattener: Flattener | undefined;
  readonly #accumulator: Accumulator;
  readonly #onBadValue: (rows: number) => void;

  constructor(
    spec: FlowMetricSpec,
    group: LabelGroup,
    filters: readonly RowFilter[],
    flattener: Flattener | undefined,
    { seen, accumulator }: Series,
    onBadValue: (rows: number) => void,
  ) {
    this.spec = spec;
    this.group = group;
    this.seen = seen;
    this.#filters = filters;
    this.#flattener = flattener;
    this.#accumulator = accumulator;
    this.#onBadValue = onBadValue;
  }

  /** Adds a batch's flows; returns the number of samples. `scratch` has room for all its rows. */
  update(batch: FlowBatch, scratch: Scratch, now: Now): number {
    let count = selectedRows(batch, scratch.rows);
    for (const filter of this.#filters) count = filter.narrow(batch, scratch.rows, count);
    count = this.#withValue(batch, scratch.rows, count);
    if (count === 0) return 0;
    if (this.#flattener === undefined) {
      const { rows, slots } = scratch;
      this.group.resolve(batch, rows, count, slots, this.seen, now);
      this.#accumulate(batch, rows, slots, count, scratch);
      return count;
    }
    const flat = this.#flattener;
    const samples = flat.resolve(batch, scratch.rows, count, this.group, this.seen, now);
    this.#accumulate(batch, flat.rows, flat.slots, samples, scratch);
    return samples;
  }

  /** The metric's family in the text format; only its head when there are no series. */
  text(oldest: number): string {
    const { name, help, type } = this.spec;
    const parts = [`# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`];
    for (const slot of this.slots(oldest)) {
      parts.push(this.#accumulator.lines(name, this.group.labelText(slot), slot));
    }
    return parts.join('');
  }

  /** Slots of its series that were not last seen before `oldest`. */
  *slots(oldest: number): Iterable<number> {
    const { ticks } = this.seen;
    for (let slot = 0; slot < ticks.length; slot++) if (ticks[slot]! >= oldest) yield slot;
  }

  /** Reads the present value of a series. */
  read(slot: number, reader: PointReader): void {
    this.#accumulator.read(slot, reader);
  }

  /** Slots of its series that were last seen from a tick on, and before another. */
  *slotsBetween(from: number, before: number): Iterable<number> {
    const { ticks } = this.seen;
    for (let slot = 0; slot < ticks.length; slot++) {
      if (ticks[slot]! >= from && ticks[slot]! < before) yield slot;
    }
  }

  /** Forgets a series and its value. */
  forget(slot: number): void {
    this.seen.ticks[slot] = 0;
    this.#accumulator.clear(slot);
  }

  /** Flows without a value, or with one that would decrease a counter, make no sample. */
  #withValue(batch: FlowBatch, rows: Uint32Array, count: number): number {
    const { valueKey, type } = this.spec;
    if (valueKey === '') return count;
    if (!batch.has(valueKey)) return 0;
    const column = batch.column(valueKey);
    if (this.spec.isList) return this.#withList(column, rows, count);
    if (column.kind === 'any') return this.#withNumber(column.values, rows, count);
    if (!('present' in column)) return 0;
    const { present } = column;
    let left = 0;
    let bad = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (!hasBit(present, row)) continue;
      rows[left++] = row;
    }
    if (column.kind !== 'f64' || type === 'gauge') return left;
    const { values } = column;
    const checked = left;
    left = 0;
    for (let i = 0; i < checked; i++) {
      const row = rows[i]!;
      // False for NaN as well.
      if (values[row]! >= 0) rows[left++] = row;
      else bad++;
    }
    if (bad > 0) this.#onBadValue(bad);
    return left;
  }

  #withNumber(values: readonly unknown[], rows: Uint32Array, count: number): number {
    const least = this.spec.type === 'gauge' ? Number.NEGATIVE_INFINITY : 0;
    let left = 0;
    let bad = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const value = values[row];
      if (typeof value === 'number' && value >= least) rows[left++] = row;
      else if (value !== undefined) bad++;
    }
    if (bad > 0) this.#onBadValue(bad);
    return left;
  }

  #withList(column: Column, rows: Uint32Array, count: number): number {
    let left = 0;
    let bad = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (column.kind === 'list<u32>') {
        if (column.offsets[row + 1]! > column.offsets[row]!) rows[left++] = row;
      } else if (column.kind === 'any') {
        const value = column.values[row];
        if (Array.isArray(value)) rows[left++] = row;
        else if (value !== undefined) bad++;
      }
    }
    if (bad > 0) this.#onBadValue(bad);
    return left;
  }

  /** Adds each number of the lists. Only aggregates make such lists, a few every some seconds. */
  #accumulateLists(column: Column, rows: Uint32Array, slots: Int32Array, count: number): void {
    const { valueScale } = this.spec;
    const one = { slots: new Int32Array(1), values: new Float64Array(1) };
    this.#accumulator.reserve(this.group.tuples.capacity);
    let bad = 0;
    const add = (value: unknown): void => {
      if (typeof value !== 'number' || !(value >= 0)) {
        bad++;
        return;
      }
      one.values[0] = value / valueScale;
      this.#accumulator.add(one.slots, one.values, 1);
    };
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      one.slots[0] = slots[i]!;
      if (column.kind === 'any') (column.values[row] as readonly unknown[]).forEach(add);
      else if (column.kind === 'list<u32>') {
        column.values.subarray(column.offsets[row], column.offsets[row + 1]).forEach(add);
      }
    }
    if (bad > 0) this.#onBadValue(bad);
  }

  #accumulate(
    batch: FlowBatch,
    rows: Uint32Array,
    slots: Int32Array,
    count: number,
    scratch: Scratch,
  ): void {
    if (scratch.values.length < count) scratch.values = new Float64Array(count * 2);
    const { values } = scratch;
    const { valueKey, valueScale, isList } = this.spec;
    if (isList) {
      this.#accumulateLists(batch.column(valueKey), rows, slots, count);
      return;
    }
    if (valueKey === '') values.fill(1 / valueScale, 0, count);
    else gather(batch.column(valueKey), rows, count, valueScale, values);
    this.#accumulator.reserve(this.group.tuples.capacity);
    this.#accumulator.add(slots, values, count);
  }
}

function selectedRows(batch: FlowBatch, rows: Uint32Array): number {
  const { selection, length } = batch;
  if (selection !== undefined) rows.set(selection);
  else for (let row = 0; row < length; row++) rows[row] = row;
  return batch.selected;
}

function gather(
  column: Column,
  rows: Uint32Array,
  count: number,
  scale: number,
  out: Float64Array,
): void {
  const values = column.values as ArrayLike<number>;
  for (let i = 0; i < count; i++) out[i] = values[rows[i]!]! / scale;
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
