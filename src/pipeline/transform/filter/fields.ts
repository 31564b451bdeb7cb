import { parseAddress, parseMac } from '../../../base/ip.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { tableOf } from '../../column-test.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext, Transform } from '../../stage.ts';

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

/** Sets a field to the same value in every flow. */
export function addField(
  { input, value }: { readonly input: string; readonly value: Constant },
  context: StageContext,
): Transform {
  const path = `${context.path}.addField.value`;
  const kind = context.declaredKind(input) ?? (typeof value === 'number' ? 'f64' : 'str');
  const fill = filler(kind, value, input, path);
  return {
    kind: 'transform',
    name: `add_field ${input}`,
    reads: [],
    writes: [{ name: input, kind }],
    apply: (batch) => fill(batch),
  };
}

const WIDTHS: Readonly<Record<string, number>> = { u8: 8, u16: 16, u32: 32 };

function filler(
  kind: FieldKind,
  value: Constant,
  field: string,
  path: string,
): (batch: FlowBatch) => void {
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
      return (batch) => fillNumbers(batch, field, number);
    }
    case 'f64':
      if (!Number.isFinite(Number(value)) || value === '') return refuse('a number');
      return (batch) => fillNumbers(batch, field, Number(value));
    case 'str':
    case 'addr':
    case 'mac': {
      const text = String(value);
      if (kind === 'addr' && parseAddress(text) === undefined) return refuse('an IP address');
      if (kind === 'mac' && parseMac(text) === undefined) return refuse('a MAC address');
      return (batch) => {
        batch.ids(field).fill(tableOf(batch, kind).internText(text), 0, batch.length);
      };
    }
    case 'any':
      return (batch) => {
        const values = batch.any(field);
        for (let row = 0; row < batch.length; row++) values[row] = value;
      };
    default:
      return refuse('set by another stage: lists cannot be constants');
  }
}

function fillNumbers(batch: FlowBatch, field: string, value: number): void {
  const column = batch.column(field);
  if (!('present' in column)) return;
  column.values.fill(value, 0, batch.length);
  batch.markPresent(field);
}
