import type { F64Column, FlowBatch } from '../../../flow/batch.ts';
import { setBit } from '../../../flow/bits.ts';
import { gatherNumbers } from '../numbers.ts';
import { grown } from './connection-table.ts';
import type { Values } from './values.ts';

/** Directions of flows, as numbers: those of the connection's first flow, and the others. */
export const FROM_A = 0;
export const FROM_B = 1;
const BOTH = 2;

/** Flows of connections: the slot and the direction of each of `rows`. */
export class SlotRows {
  rows = new Uint32Array(0);
  slots = new Uint32Array(0);
  directions = new Uint8Array(0);
  count = 0;

  /** Makes room for `capacity` flows; the earlier ones are lost. */
  reserve(capacity: number): void {
    this.rows = new Uint32Array(capacity);
    this.slots = new Uint32Array(capacity);
    this.directions = new Uint8Array(capacity);
  }
}

/** A result over the flows of each connection, or two of them, one for each direction. */
export interface Output {
  reserve(capacity: number): void;
  clear(slot: number): void;
  update(batch: FlowBatch, flows: SlotRows): void;
  write(batch: FlowBatch, slots: Uint32Array, from: number, count: number): void;
}

/** Counts flows that change no result: without the field, or with a value other than a number. */
export interface OutputErrors {
  missing(field: string, flows: number): void;
  notNumber(field: string, flows: number): void;
}

export type NumberOperation = 'sum' | 'count' | 'min' | 'max';

export interface OutputSpec {
  readonly name: string;
  readonly input: string;
  readonly splitAB: boolean;
  readonly reportMissing: boolean;
}

/** Names of the fields of an output. */
export function outputNames({ name, splitAB }: Pick<OutputSpec, 'name' | 'splitAB'>): string[] {
  return splitAB ? [`${name}_AB`, `${name}_BA`] : [name];
}

export class NumberOutput implements Output {
  readonly #spec: OutputSpec;
  readonly #operation: NumberOperation;
  readonly #errors: OutputErrors;
  readonly #results: readonly Result[];
  #numbers = new Float64Array(0);

  constructor(spec: OutputSpec, operation: NumberOperation, errors: OutputErrors) {
    this.#spec = spec;
    this.#operation = operation;
    this.#errors = errors;
    const names = outputNames(spec);
    this.#results = names.map(
      (name, index) => new Result(name, operation, spec.splitAB ? index : BOTH),
    );
  }

  reserve(capacity: number): void {
    for (const result of this.#results) result.reserve(capacity);
  }

  clear(slot: number): void {
    for (let i = 0; i < this.#results.length; i++) this.#results[i]!.clear(slot);
  }

  update(batch: FlowBatch, flows: SlotRows): void {
    const { rows, count } = flows;
    if (this.#numbers.length < count) this.#numbers = new Float64Array(rows.length);
    if (this.#operation !== 'count') this.#gather(batch, rows, count);
    for (const result of this.#results) result.update(flows, this.#numbers);
  }

  write(batch: FlowBatch, slots: Uint32Array, from: number, count: number): void {
    for (const result of this.#results) result.write(batch, slots, from, count);
  }

  #gather(batch: FlowBatch, rows: Uint32Array, count: number): void {
    const { input, reportMissing } = this.#spec;
    const failures = gatherNumbers(batch, input, rows, count, this.#numbers);
    if (failures > 0) this.#errors.notNumber(input, failures);
    if (!reportMissing) return;
    let missing = -failures;
    for (let i = 0; i < count; i++) if (Number.isNaN(this.#numbers[i]!)) missing++;
    if (missing > 0) this.#errors.missing(input, missing);
  }
}

/** Numbers by slot; 0, or NaN for min and max: there is no result. */
class Result {
  readonly #name: string;
  readonly #operation: NumberOperation;
  readonly #direction: number;
  readonly #none: number;
  #values = new Float64Array(0);

  constructor(name: string, operation: NumberOperation, direction: number) {
    this.#name = name;
    this.#operation = operation;
    this.#direction = direction;
    this.#none = operation === 'min' || operation === 'max' ? Number.NaN : 0;
  }

  reserve(capacity: number): void {
    const before = this.#values.length;
    this.#values = grown(this.#values, capacity);
    this.#values.fill(this.#none, before);
  }

  clear(slot: number): void {
    this.#values[slot] = this.#none;
  }

  update({ slots, directions, count }: SlotRows, numbers: Float64Array): void {
    const values = this.#values;
    const direction = this.#direction;
    const operation = this.#operation;
    for (let i = 0; i < count; i++) {
      if (direction !== BOTH && directions[i] !== direction) continue;
      const slot = slots[i]!;
      const number = numbers[i]!;
      if (operation === 'count') values[slot]! += 1;
      else if (Number.isNaN(number)) continue;
      else if (operation === 'sum') values[slot]! += number;
      // True if there is no result, too.
      else if (operation === 'min') {
        if (!(values[slot]! <= number)) values[slot] = number;
      } else if (!(values[slot]! >= number)) values[slot] = number;
    }
  }

  write(batch: FlowBatch, slots: Uint32Array, from: number, count: number): void {
    if (!batch.has(this.#name)) return;
    const { values, present } = batch.column(this.#name) as F64Column;
    for (let i = 0; i < count; i++) {
      const value = this.#values[slots[from + i]!]!;
      if (Number.isNaN(value) || value === 0) continue;
      values[i] = value;
      setBit(present, i);
    }
  }
}

/** The first or the last value of a field. */
export class ValueOutput implements Output {
  readonly #spec: OutputSpec;
  readonly #isFirst: boolean;
  readonly #values: Values;
  readonly #errors: OutputErrors;

  constructor(spec: OutputSpec, isFirst: boolean, values: Values, errors: OutputErrors) {
    this.#spec = spec;
    this.#isFirst = isFirst;
    this.#values = values;
    this.#errors = errors;
  }

  reserve(capacity: number): void {
    this.#values.reserve(capacity);
  }

  clear(slot: number): void {
    this.#values.clear(slot);
  }

  update(batch: FlowBatch, { rows, slots, count }: SlotRows): void {
    const { input, reportMissing } = this.#spec;
    const missing = this.#values.take(batch, input, rows, slots, count, this.#isFirst);
    if (reportMissing && missing > 0) this.#errors.missing(input, missing);
  }

  write(batch: FlowBatch, slots: Uint32Array, from: number, count: number): void {
    const { name } = this.#spec;
    if (batch.has(name)) this.#values.write(batch, name, slots, from, count);
  }
}
