import type { ListColumn } from '../../flow/batch.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import { FragmentCache } from '../fragment-cache.ts';
import type { Records } from './ipfix-columns.ts';

/**
 * Most bytes of one text, so that its length takes one byte; Linux interface names have at most 15.
 */
const TEXT_MAX_BYTES = 254;
/** Bytes of the length before a text that is shorter than 255 bytes. */
const PREFIX_BYTES = 1;

const encoder = new TextEncoder();

/** Length and UTF-8 of each string; longer strings are cut at a whole character. */
export function textCache({ strings }: InternTables): FragmentCache {
  return new FragmentCache((id) => {
    const bytes = new Uint8Array(PREFIX_BYTES + TEXT_MAX_BYTES);
    const { written } = encoder.encodeInto(strings.text(id), bytes.subarray(PREFIX_BYTES));
    bytes[0] = written;
    return bytes.subarray(0, PREFIX_BYTES + written);
  });
}

/** Adds the bytes of a column of texts, including their lengths, to `sizes`. */
export function addTextSizes(
  { rows, from, to }: Records,
  sizes: Uint32Array,
  column: Uint32Array | ListColumn,
  texts: FragmentCache,
): void {
  for (let i = from; i < to; i++) {
    const id = firstId(column, rows[i]!);
    sizes[i] = sizes[i]! + (id === MISSING ? PREFIX_BYTES : texts.load(id) - texts.start(id));
  }
}

export function writeTexts(
  { bytes, cursors, rows, from, to }: Records,
  column: Uint32Array | ListColumn,
  texts: FragmentCache,
): void {
  for (let i = from; i < to; i++) {
    const id = firstId(column, rows[i]!);
    const at = cursors[i]!;
    if (id === MISSING) {
      bytes[at] = 0;
      cursors[i] = at + PREFIX_BYTES;
    } else {
      const end = texts.load(id);
      cursors[i] = copy(texts.bytes, texts.start(id), end, bytes, at);
    }
  }
}

function firstId(column: Uint32Array | ListColumn, row: number): number {
  if (column instanceof Uint32Array) return column[row]!;
  const start = column.offsets[row]!;
  return column.offsets[row + 1]! > start ? column.values[start]! : MISSING;
}

/** Copies `from[start .. end]`; returns where it ends in `into`. */
function copy(from: Uint8Array, start: number, end: number, into: Uint8Array, at: number): number {
  const length = end - start;
  for (let k = 0; k < length; k++) into[at + k] = from[start + k]!;
  return at + length;
}

/** RFC 7011, section 7: one byte below 255, else 255 and two more. */
function prefixBytes(length: number): number {
  return length < 255 ? 1 : 3;
}

function putLength(bytes: Uint8Array, at: number, length: number): number {
  if (length < 255) {
    bytes[at] = length;
    return at + 1;
  }
  bytes[at] = 255;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  return at + 3;
}

const COMMA = 0x2c;
const ZERO = 0x30;

/** Adds the bytes of lists as comma-separated texts. Without `texts` they are lists of numbers. */
export function addListSizes(
  { rows, from, to }: Records,
  sizes: Uint32Array,
  { offsets, values }: ListColumn,
  texts: FragmentCache | undefined,
  maxBytes: number,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const length = listBytes(values, offsets[row]!, offsets[row + 1]!, texts, maxBytes);
    sizes[i] = sizes[i]! + prefixBytes(length) + length;
  }
}

export function writeLists(
  { bytes, cursors, rows, from, to }: Records,
  { offsets, values }: ListColumn,
  texts: FragmentCache | undefined,
  maxBytes: number,
): void {
  for (let i = from; i < to; i++) {
    const row = rows[i]!;
    const start = offsets[row]!;
    const length = listBytes(values, start, offsets[row + 1]!, texts, maxBytes);
    let at = putLength(bytes, cursors[i]!, length);
    const end = at + length;
    for (let item = start; at < end; item++) {
      if (item > start) bytes[at++] = COMMA;
      const value = values[item]!;
      if (texts === undefined) {
        at = putDigits(bytes, at, value);
      } else {
        const itemEnd = texts.load(value);
        at = copy(texts.bytes, texts.start(value) + PREFIX_BYTES, itemEnd, bytes, at);
      }
    }
    cursors[i] = end;
  }
}

/** Bytes of a list's text: as many whole items as fit. */
function listBytes(
  values: Uint32Array,
  start: number,
  end: number,
  texts: FragmentCache | undefined,
  maxBytes: number,
): number {
  let length = 0;
  for (let item = start; item < end; item++) {
    const comma = item > start ? 1 : 0;
    const value = values[item]!;
    const itemBytes = texts === undefined ? digitCount(value) : textBytes(texts, value);
    if (length + comma + itemBytes > maxBytes) break;
    length += comma + itemBytes;
  }
  return length;
}

function digitCount(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) count++;
  return count;
}

function putDigits(bytes: Uint8Array, at: number, value: number): number {
  const end = at + digitCount(value);
  let rest = value;
  for (let k = end - 1; k >= at; k--) {
    bytes[k] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return end;
}

function textBytes(texts: FragmentCache, id: number): number {
  return texts.load(id) - texts.start(id) - PREFIX_BYTES;
}
