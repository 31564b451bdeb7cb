import type { Column, F64Column, U8Column, U16Column, U32Column } from '../../flow/batch.ts';
import { hasBit, setBit } from '../../flow/bits.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import { gatherNumbers, type TimeBase } from './numbers-read.ts';
import type { Step } from './plan.ts';
import { type Records, RUN_RECORDS } from './records.ts';

/** Most octets of a text that are read. */
export const TEXT_MAX_BYTES = 256;

const V4_BYTES = 4;
const V6_BYTES = 16;
const MAC_BYTES = 6;
const MAPPED_WORD = 0xffff0000;

type NumberColumn = U8Column | U16Column | U32Column | F64Column;

/** Fills columns from the records of a run. */
export class ColumnFiller {
  /** Values that did not fit their column, by its index in the layout. */
  readonly misfits: Uint32Array;
  readonly #values = new Float64Array(RUN_RECORDS);
  readonly #words = new Uint32Array(4);
  readonly #decoder = new TextDecoder();

  constructor(columns: number) {
    this.misfits = new Uint32Array(columns);
  }

  /** Fills a column from `row` on. */
  fill(
    records: Records,
    step: Step,
    column: Column,
    row: number,
    tables: InternTables,
    time: TimeBase,
  ): void {
    switch (column.kind) {
      case 'u8':
      case 'u16':
      case 'u32':
      case 'f64':
        gatherNumbers(records, step, time, this.#values);
        this.put(this.#values, records.count, step, column, row);
        return;
      case 'addr':
        this.#addresses(records, step, column.values, row, tables);
        return;
      case 'mac':
        this.#macs(records, step, column.values, row, tables);
        return;
      case 'str':
        this.#texts(records, step, column.values, row, tables);
        return;
      default:
    }
  }

  /** Sets numbers; NaN stays absent. */
  put(
    values: Float64Array,
    count: number,
    { column: index, isFallback, max }: Pick<Step, 'column' | 'isFallback' | 'max'>,
    column: NumberColumn,
    row: number,
  ): void {
    const { values: into, present } = column;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      const at = row + i;
      if (!(value <= max)) {
        if (value > max) this.misfits[index]!++;
        continue;
      }
      if (isFallback && hasBit(present, at) && (into[at] !== 0 || value === 0)) continue;
      into[at] = value;
      setBit(present, at);
    }
  }

  #addresses(
    records: Records,
    step: Step,
    into: Uint32Array,
    row: number,
    { addresses }: InternTables,
  ): void {
    const { bytes, count } = records;
    const words = this.#words;
    for (let i = 0; i < count; i++) {
      const at = records.start(step, i);
      const length = records.length(step, i);
      if (length === V4_BYTES) {
        words[0] = 0;
        words[1] = 0;
        words[2] = MAPPED_WORD;
        words[3] = littleWord(bytes, at);
        if (step.isFallback && words[3] === 0 && into[row + i] !== MISSING) continue;
      } else if (length === V6_BYTES) {
        for (let word = 0; word < 4; word++) words[word] = littleWord(bytes, at + word * 4);
        const any = words[0]! | words[1]! | words[2]! | words[3]!;
        if (step.isFallback && any === 0 && into[row + i] !== MISSING) continue;
      } else {
        this.misfits[step.column]!++;
        continue;
      }
      into[row + i] = addresses.internWords(words, 0);
    }
  }

  #macs(
    records: Records,
    step: Step,
    into: Uint32Array,
    row: number,
    { macs }: InternTables,
  ): void {
    const { bytes, count } = records;
    for (let i = 0; i < count; i++) {
      const at = records.start(step, i);
      if (records.length(step, i) !== MAC_BYTES) {
        this.misfits[step.column]!++;
        continue;
      }
      const low = littleWord(bytes, at);
      const high = bytes[at + 4]! | (bytes[at + 5]! << 8);
      if (step.isFallback && (low | high) === 0 && into[row + i] !== MISSING) continue;
      into[row + i] = macs.intern(low, high);
    }
  }

  #texts(
    records: Records,
    step: Step,
    into: Uint32Array,
    row: number,
    { strings }: InternTables,
  ): void {
    const { bytes, count } = records;
    for (let i = 0; i < count; i++) {
      if (step.isFallback && into[row + i] !== MISSING) continue;
      const at = records.start(step, i);
      const length = records.length(step, i);
      if (length > TEXT_MAX_BYTES) {
        this.misfits[step.column]!++;
        continue;
      }
      const piece = bytes.subarray(at, at + length);
      const text = step.form === 'base64' ? base64(piece) : this.#text(piece);
      if (text !== '') into[row + i] = strings.intern(text);
    }
  }

  /** Texts of a fixed length are filled up with zeros (RFC 7011, section 6.1.5). */
  #text(piece: Uint8Array): string {
    const end = piece.indexOf(0);
    return this.#decoder.decode(end === -1 ? piece : piece.subarray(0, end));
  }
}

function base64(piece: Uint8Array): string {
  let binary = '';
  for (const octet of piece) binary += String.fromCharCode(octet);
  return btoa(binary);
}

function littleWord(bytes: Uint8Array, at: number): number {
  const low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  return (low | (bytes[at + 3]! << 24)) >>> 0;
}
