import type { BatchLayout } from '../../flow/batch.ts';
import { WHOLE_NUMBER_MAX } from '../../flow/field.ts';
import {
  COUNTER_IDS,
  RATE_IDS,
  REVERSE_ENTERPRISE,
  REVERSED,
  type ReadForm,
  type ReadTable,
  SAMPLER_IDS,
  SYSTEM_INIT_ID,
} from './elements-read.ts';
import { VARIABLE_LENGTH } from './ipfix-elements.ts';

/** A field of a template: an element and its length in records. */
export interface TemplateField {
  /** 0: IANA's registry, or a field type of NetFlow. */
  readonly enterprise: number;
  readonly id: number;
  /** Octets, or `VARIABLE_LENGTH`. */
  readonly length: number;
}

/** Where the octets of a field are. */
export interface Place {
  /**
   * Octets from the beginning of the record; if records have a variable length, the number of the
   * field in the template.
   */
  readonly at: number;
  /** Octets, or `VARIABLE_LENGTH`. */
  readonly length: number;
}

/** One column, filled from one field of all records of a run. */
export interface Step extends Place {
  /** Index of the column in the layout. */
  readonly column: number;
  readonly form: ReadForm;
  /** Octets of the field before those that the form reads. */
  readonly within: number;
  /** The column holds whole seconds, not milliseconds. */
  readonly isSeconds: boolean;
  /** An earlier step fills the column: only rows that it left absent or zero are set. */
  readonly isFallback: boolean;
  /** The largest value that the column holds. */
  readonly max: number;
}

/** Fields that give the sampling rate. */
export interface RatePlaces {
  readonly intervals: readonly Place[];
  readonly taken: Place | undefined;
  readonly space: Place | undefined;
  readonly size: Place | undefined;
  readonly population: Place | undefined;
  readonly probability: Place | undefined;
  readonly hasAny: boolean;
}

/** The reading of one direction of the records. */
export interface Pass {
  readonly steps: readonly Step[];
  readonly rates: RatePlaces;
  readonly sampler: Place | undefined;
  readonly systemInit: Place | undefined;
}

/** A template, compiled for the columns of a layout. */
export interface Plan {
  readonly isVariable: boolean;
  /** Octets of a record; the least, if the length is variable. */
  readonly recordBytes: number;
  /** Lengths of the fields, for records of variable length. */
  readonly lengths: Uint16Array;
  readonly forward: Pass;
  /** Biflows only (RFC 5103). */
  readonly reverse: Pass | undefined;
  readonly reverseCounters: readonly Place[];
}

interface PlacedField extends Place {
  readonly enterprise: number;
  readonly id: number;
  /** The element was given for the other direction. */
  readonly isBorrowed: boolean;
}

export function planOf(
  fields: readonly TemplateField[],
  layout: BatchLayout,
  table: ReadTable,
): Plan {
  const isVariable = fields.some(({ length }) => length === VARIABLE_LENGTH);
  const placed: PlacedField[] = [];
  let recordBytes = 0;
  for (const [index, field] of fields.entries()) {
    placed.push({ ...field, at: isVariable ? index : recordBytes, isBorrowed: false });
    recordBytes += field.length === VARIABLE_LENGTH ? 1 : field.length;
  }
  const reverse = placed.filter(({ enterprise }) => enterprise === REVERSE_ENTERPRISE);
  return {
    isVariable,
    recordBytes,
    lengths: Uint16Array.from(fields, ({ length }) => length),
    forward: passOf(placed, layout, table),
    reverse: reverse.length === 0 ? undefined : passOf(reversed(placed), layout, table),
    reverseCounters: reverse.filter(({ id }) => COUNTER_IDS.has(id)),
  };
}

/** The fields as the reverse direction would have them. */
function reversed(fields: readonly PlacedField[]): readonly PlacedField[] {
  return fields.flatMap((field) => {
    if (field.enterprise === REVERSE_ENTERPRISE) return [{ ...field, enterprise: 0 }];
    const id = field.enterprise === 0 ? REVERSED.get(field.id) : undefined;
    return id === undefined ? [] : [{ ...field, id, isBorrowed: true }];
  });
}

function passOf(fields: readonly PlacedField[], layout: BatchLayout, table: ReadTable): Pass {
  const iana = fields.filter(({ enterprise }) => enterprise === 0);
  const first = (wanted: number): Place | undefined => iana.find(({ id }) => id === wanted);
  return {
    steps: stepsOf(fields, layout, table),
    rates: ratePlaces(iana),
    sampler: iana.find(({ id }) => SAMPLER_IDS.has(id)),
    systemInit: first(SYSTEM_INIT_ID),
  };
}

/** Sampling rates among fields of IANA. */
export function ratePlaces(fields: readonly (Place & { readonly id: number })[]): RatePlaces {
  const first = (wanted: number): Place | undefined => fields.find(({ id }) => id === wanted);
  const intervals = fields.filter(({ id }) =>
    (RATE_IDS.intervals as readonly number[]).includes(id),
  );
  const { taken, space, size, population, probability } = RATE_IDS;
  const places = {
    ...{ taken: first(taken), space: first(space), size: first(size) },
    ...{ population: first(population), probability: first(probability) },
  };
  const hasAny = intervals.length > 0 || Object.values(places).some((place) => place !== undefined);
  return { intervals, ...places, hasAny };
}

function stepsOf(
  fields: readonly PlacedField[],
  layout: BatchLayout,
  table: ReadTable,
): readonly Step[] {
  const found = fields.flatMap((field) =>
    table.of(field.enterprise, field.id).flatMap(({ target, rank }) => {
      const column = layout.indexOf(target.column);
      const part = partOf(field.length, target.form);
      if (column === -1 || part === undefined) return [];
      return [
        { ...target, ...part, at: field.at, rank, index: column, isBorrowed: field.isBorrowed },
      ];
    }),
  );
  found.sort(
    (a, b) => a.index - b.index || Number(a.isBorrowed) - Number(b.isBorrowed) || a.rank - b.rank,
  );
  return found.map(({ at, within, length, form, index, column: name }, order): Step => {
    const { kind } = layout.columns[index]!;
    const max = kind in WHOLE_NUMBER_MAX ? WHOLE_NUMBER_MAX[kind as 'u8'] : Number.MAX_VALUE;
    return {
      ...{ at, within, length, form, column: index, max },
      isSeconds: name === 'TimeFlowStart' || name === 'TimeFlowEnd',
      isFallback: order > 0 && found[order - 1]!.index === index,
    };
  });
}

/** The octets of a field that the form reads; undefined: none. */
function partOf(
  length: number,
  form: ReadForm,
): { readonly within: number; readonly length: number } | undefined {
  if (length === 0) return undefined;
  if (form !== 'high-octet' && form !== 'low-octet') return { within: 0, length };
  // The octets of a field of variable length have no fixed place.
  if (length === VARIABLE_LENGTH) return undefined;
  if (form === 'low-octet') return { within: length - 1, length: 1 };
  return length < 2 ? undefined : { within: length - 2, length: 1 };
}
