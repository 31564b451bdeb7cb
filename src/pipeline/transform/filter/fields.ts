import { parseAddress, parseMac } from '../../../base/ip.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { setBit } from '../../../flow/bits.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { ColumnTest, tableOf } from '../../column-test.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { Scratch } from './expression/row-sets.ts';

/** Makes a field absent in every flow; later stages see no such column. */
export function removeField(input: string): Transform {
  return {
    kind: 'transform',
    name: `remove_field ${input}`,
    reads: [],
    writes: [],
    removes: [input],
    apply: () => undefined,
  };
}

type Constant = string | number | boolean;

interface AddField {
  readonly input: string;
  readonly value: Constant;
}

/** Sets a field to the same value in every flow. */
export function addField({ input, value }: AddField, context: StageContext): Transform {
  const { kind, set } = constantOf(input, value, `${context.path}.addField.value`, context);
  return {
    kind: 'transform',
    name: `add_field ${input}`,
    reads: [],
    writes: [{ name: input, kind }],
    apply: (batch) => set(batch, undefined, batch.length),
  };
}

/** Sets a field to a value in the flows that lack it. */
export function addFieldIfAbsent({ input, value }: AddField, context: StageContext): Transform {
  const path = `${context.path}.addFieldIfDoesntExist.value`;
  const { kind, set } = constantOf(input, value, path, context);
  const absent = new ColumnTest(input, true, false);
  const scratch = new Scratch();
  return {
    kind: 'transform',
    name: `add_field_if_doesnt_exist ${input}`,
    reads: [input],
    writes: [{ name: input, kind }],
    apply(batch) {
      const rows = scratch.rowsFor(batch);
      set(batch, rows, absent.narrow(batch, undefined, batch.length, rows));
    },
  };
}

/** Sets a field in `rows[0 .. count]`; undefined: in rows 0 to count. */
export type SetRows = (batch: FlowBatch, rows: Uint32Array | undefined, count: number) => void;

/** A constant in a field: the field's kind, which a new field gets from the value. */
export function constantOf(
  field: string,
  value: Constant,
  path: string,
  context: StageContext,
): { readonly kind: FieldKind; readonly set: SetRows } {
  const kind = context.declaredKind(field) ?? (typeof value === 'number' ? 'f64' : 'str');
  return { kind, set: setterOf(kind, value, field, path) };
}

const WIDTHS: Readonly<Record<string, number>> = { u8: 8, u16: 16, u32: 32 };

function setterOf(kind: FieldKind, value: Constant, field: string, path: string): SetRows {
  const refuse = (wanted: string): never => {
    const problem = `field ${field} holds ${kind}, so the value must be ${wanted}`;
    throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
  };
  switch (kind) {
    case 'u8':
    case 'u16':
    case 'u32': {
      const end = 2 ** WIDTHS[kind]!;
      const number = Number(value);
      const fits = Number.isInteger(number) && number >= 0 && number < end && value !== '';
      if (!fits) return refuse(`a whole number from 0 to ${end - 1}`);
      return numberSetter(field, number);
    }
    case 'f64':
      if (!Number.isFinite(Number(value)) || value === '') return refuse('a number');
      return numberSetter(field, Number(value));
    case 'str':
    case 'addr':
    case 'mac': {
      const text = String(value);
      if (kind === 'addr' && parseAddress(text) === undefined) return refuse('an IP address');
      if (kind === 'mac' && parseMac(text) === undefined) return refuse('a MAC address');
      return (batch, rows, count) => {
        const id = tableOf(batch, kind).internText(text);
        const ids = batch.ids(field);
        for (let i = 0; i < count; i++) ids[rows === undefined ? i : rows[i]!] = id;
      };
    }
    case 'any':
      return (batch, rows, count) => {
        const values = batch.any(field);
        for (let i = 0; i < count; i++) values[rows === undefined ? i : rows[i]!] = value;
      };
    default:
      return refuse('set by another stage: lists cannot be constants');
  }
}

function numberSetter(field: string, value: number): SetRows {
  return (batch, rows, count) => {
    const column = batch.column(field);
    if (!('present' in column)) return;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      column.values[row] = value;
      setBit(column.present, row);
    }
  };
}
