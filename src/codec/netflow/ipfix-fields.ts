import type { F64Column, FlowBatch, U8Column, U16Column, U32Column } from '../../flow/batch.ts';
import { MISSING } from '../../flow/intern.ts';
import type { IpfixForm } from '../../flow/wire.ts';
import type { FragmentCache } from '../fragment-cache.ts';
import {
  addCodes,
  gather,
  gatherDirections,
  gatherMacs,
  gatherV4,
  markVxlan,
  putDoubles,
  putLarge,
  putNothing,
  putSmall,
  putV6,
  type Records,
  toClassesOfService,
  toHeaderFlags,
  toIntervals,
  toProbabilities,
  toSeconds,
} from './ipfix-columns.ts';
import type { TemplateField } from './ipfix-template.ts';
import { writeLists, writeTexts } from './ipfix-texts.ts';

/** Most bytes of a list as one text. */
export const LIST_MAX_BYTES = 1024;

/** Room for the gathered values of a run of records. */
export interface Scratch {
  readonly values: Float64Array;
  readonly others: Float64Array;
}

/** Writes an element of a run of records, and moves their cursors behind it. */
export type FieldWriter = (records: Records, scratch: Scratch) => void;

/** Conversions of numbers before they are written, by form. */
const MADE: Readonly<Partial<Record<IpfixForm, (count: number, values: Float64Array) => void>>> = {
  'header-flags': toHeaderFlags,
  'class-of-service': toClassesOfService,
  seconds: toSeconds,
  interval: toIntervals,
  probability: toProbabilities,
};

const NO_CODES = new Uint8Array(0);
const NO_KINDS = new Uint32Array(0);

/** The writer of an element for a batch; looks up once everything that is the same in every run. */
export function writerOf(
  field: TemplateField,
  batch: FlowBatch,
  texts: FragmentCache,
): FieldWriter {
  const column = batch.column(field.column);
  const read = readOf(field, batch);
  switch (column.kind) {
    case 'addr':
      return addressWriter(field, batch, column.values);
    case 'mac':
      return (records, { values }) => {
        gatherMacs(records, column.values, batch.tables.macs, values);
        putLarge(records, field.bytes, values);
      };
    case 'str':
      return (records) => writeTexts(records, column.values, texts);
    case 'list<u32>':
    case 'list<str>': {
      if (field.form === 'direction') {
        const flow = read === undefined ? undefined : batch.u8(read);
        return (records, { values }) => {
          gatherDirections(records, column, flow, values);
          putSmall(records, field.bytes, values);
        };
      }
      if (field.form === 'first') return (records) => writeTexts(records, column, texts);
      const items = column.kind === 'list<str>' ? texts : undefined;
      return (records) => writeLists(records, column, items, LIST_MAX_BYTES);
    }
    case 'any':
      throw new Error(`assertion failed: column ${field.column} has values of any kind`);
    default:
      return numberWriter(field, batch, column);
  }
}

function addressWriter(field: TemplateField, batch: FlowBatch, ids: Uint32Array): FieldWriter {
  const { addresses } = batch.tables;
  if (field.type === 'ipv6Address') return (records) => putV6(records, ids, addresses);
  return (records, { values }) => {
    gatherV4(records, ids, addresses, values);
    putSmall(records, field.bytes, values);
  };
}

/** Whether no row has a value: true of most columns. */
function isBlank(present: Uint32Array, rows: number): boolean {
  for (let word = 0; word << 5 < rows; word++) if (present[word] !== 0) return false;
  return true;
}

/** The other column that the form reads, if the batch has it. */
function readOf({ reads }: TemplateField, batch: FlowBatch): string | undefined {
  return reads !== undefined && batch.has(reads) ? reads : undefined;
}

function numberWriter(
  field: TemplateField,
  batch: FlowBatch,
  { values: from, present }: U8Column | U16Column | U32Column | F64Column,
): FieldWriter {
  const { bytes, form, type } = field;
  const read = readOf(field, batch);
  const isZero = form !== 'interval' && form !== 'probability';
  if (isZero && isBlank(present, batch.length)) return (records) => putNothing(records, bytes);
  const make = MADE[form];
  const codes = form === 'icmp' && read !== undefined ? batch.u8(read) : NO_CODES;
  const kinds = form === 'segment' && read !== undefined ? batch.ids(read) : NO_KINDS;
  const vxlan = batch.tables.strings.find('vxlan');
  return (records, { values, others }) => {
    const count = records.to - records.from;
    gather(records, from, present, values);
    make?.(count, values);
    if (form === 'icmp') {
      gather(records, codes, present, others);
      addCodes(count, values, others);
    }
    if (type === 'float64') putDoubles(records, values);
    else if (bytes > 4) putLarge(records, bytes, values);
    else putSmall(records, bytes, values);
    if (form === 'segment' && vxlan !== MISSING) markVxlan(records, present, kinds, vxlan);
  };
}
