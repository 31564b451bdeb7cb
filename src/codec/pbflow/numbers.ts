import type { F64Column, IdColumn, U8Column, U16Column, U32Column } from '../../flow/batch.ts';
import {
  doubleBytes,
  NEGATIVE_BYTES,
  uintBytes,
  writeDouble,
  writeNegative,
  writeUint,
} from '../varint.ts';
import { BLOCK_ROWS, type Block, type Tag, type WirePart } from './part.ts';
import { DNS_CODE_MASK } from './schema.ts';

/** Absent values and zeros alike are not sent, as in proto3; both are 0 when gathered. */

/** The source of a part's 32-bit numbers. */
export type GatherUint = (block: Block, into: Uint32Array) => boolean;

/** A number of up to 32 bits. */
export class UintPart implements WirePart {
  readonly #tag: Tag;
  readonly #gather: GatherUint;
  readonly #values = new Uint32Array(BLOCK_ROWS);

  constructor(tag: Tag, gather: GatherUint) {
    this.#tag = tag;
    this.#gather = gather;
  }

  measure(block: Block, sizes: Uint32Array): boolean {
    if (!this.#gather(block, this.#values)) return false;
    addUints(block.count, this.#values, this.#tag.length, sizes);
    return true;
  }

  write(block: Block, bytes: Uint8Array, at: Uint32Array): void {
    writeUints(block.count, this.#values, this.#tag.first, this.#tag.second, bytes, at);
  }
}

/** A whole number up to 2^53, or a signed 32-bit number with `signed`. */
export class DoublePart implements WirePart {
  readonly #tag: Tag;
  readonly #gather: (block: Block, into: Float64Array) => boolean;
  readonly #values = new Float64Array(BLOCK_ROWS);

  constructor(tag: Tag, gather: (block: Block, into: Float64Array) => boolean) {
    this.#tag = tag;
    this.#gather = gather;
  }

  measure(block: Block, sizes: Uint32Array): boolean {
    if (!this.#gather(block, this.#values)) return false;
    addDoubles(block.count, this.#values, this.#tag.length, sizes);
    return true;
  }

  write(block: Block, bytes: Uint8Array, at: Uint32Array): void {
    writeDoubles(block.count, this.#values, this.#tag.first, this.#tag.second, bytes, at);
  }
}

/** Whether no row of the block, whose rows ascend, has a value: true for most columns. */
export function isBlank({ count, index }: Block, present: Uint32Array): boolean {
  const last = index[count - 1]! >>> 5;
  for (let word = index[0]! >>> 5; word <= last; word++) if (present[word] !== 0) return false;
  return true;
}

export function gatherUints(
  block: Block,
  { values, present }: U8Column | U16Column | U32Column,
  into: Uint32Array,
): boolean {
  if (isBlank(block, present)) return false;
  const { count, index } = block;
  let any = 0;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const value = ((present[row >>> 5]! >>> (row & 31)) & 1) === 0 ? 0 : values[row]!;
    into[i] = value;
    any |= value;
  }
  return any !== 0;
}

/** Values up to `most`; larger ones become `most`. */
export function gatherLimited(
  block: Block,
  { values, present }: F64Column,
  most: number,
  into: Float64Array,
): boolean {
  if (isBlank(block, present)) return false;
  const { count, index } = block;
  let any = false;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const value = values[row]!;
    const isSent = ((present[row >>> 5]! >>> (row & 31)) & 1) === 1 && value >= 1;
    into[i] = isSent ? Math.floor(value < most ? value : most) : 0;
    if (isSent) any = true;
  }
  return any;
}

/** Only values above `limit`. */
export function gatherAbove(
  block: Block,
  { values, present }: F64Column,
  limit: number,
  into: Float64Array,
): boolean {
  if (isBlank(block, present)) return false;
  const { count, index } = block;
  let any = false;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const value = values[row]!;
    const isSent = ((present[row >>> 5]! >>> (row & 31)) & 1) === 1 && value > limit;
    into[i] = isSent ? Math.floor(Math.min(value, Number.MAX_SAFE_INTEGER)) : 0;
    if (isSent) any = true;
  }
  return any;
}

/** Signed numbers; those that do not fit 32 bits are not sent. */
export function gatherSigned(
  block: Block,
  { values, present }: F64Column,
  into: Float64Array,
): boolean {
  if (isBlank(block, present)) return false;
  const { count, index } = block;
  let any = 0;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const value = values[row]!;
    const isSent = ((present[row >>> 5]! >>> (row & 31)) & 1) === 1 && (value | 0) === value;
    into[i] = isSent ? value : 0;
    if (isSent) any |= value;
  }
  return any !== 0;
}

/** The code of each row's text, from `codes`. */
export function gatherCodes(
  { count, index }: Block,
  { values }: IdColumn,
  codes: CodeMemo,
  into: Uint32Array,
): boolean {
  let any = 0;
  for (let i = 0; i < count; i++) {
    const id = values[index[i]!]!;
    const code = id === 0 ? 0 : codes.load(id);
    into[i] = code;
    any |= code;
  }
  return any !== 0;
}

/**
 * Words of DNS flags. For a row whose code needs more than `codeMask`, or has no name, `exact`
 * gathers the unchanged word; without `exact` all bits of its code are set. For other rows `exact`
 * gathers nothing. `codes` are names by id, and `long` has 1 for those that need more.
 */
export function gatherDnsFlags(
  block: Block,
  { values, present }: U16Column,
  codes: { readonly ids: Uint32Array; readonly long: CodeMemo },
  exact: boolean,
  into: Uint32Array,
): boolean {
  if (isBlank(block, present)) return false;
  const { ids, long } = codes;
  const { count, index } = block;
  let any = 0;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const isThere = ((present[row >>> 5]! >>> (row & 31)) & 1) === 1;
    const word = isThere ? values[row]! : 0;
    const id = ids[row]!;
    const isLong = word !== 0 && (id === 0 || long.load(id) === 1);
    const value = exact ? (isLong ? word : 0) : isLong ? word | DNS_CODE_MASK : word;
    into[i] = value;
    any |= value;
  }
  return any !== 0;
}

const INITIAL_IDS = 256;

/** A number for each text, found once per id of a generation of tables. */
export class CodeMemo {
  readonly #codeOf: (id: number) => number;
  /** One more than the code; 0: not found yet. */
  #codes = new Float64Array(INITIAL_IDS);

  constructor(codeOf: (id: number) => number) {
    this.#codeOf = codeOf;
  }

  load(id: number): number {
    const known = this.#codes[id];
    return known === undefined || known === 0 ? this.#add(id) : known - 1;
  }

  #add(id: number): number {
    if (id >= this.#codes.length) {
      const codes = new Float64Array(Math.max(this.#codes.length * 2, id + 1));
      codes.set(this.#codes);
      this.#codes = codes;
    }
    const code = this.#codeOf(id);
    this.#codes[id] = code + 1;
    return code;
  }
}

function addUints(count: number, values: Uint32Array, tagBytes: number, sizes: Uint32Array): void {
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value !== 0) sizes[i]! += tagBytes + uintBytes(value);
  }
}

function writeUints(
  count: number,
  values: Uint32Array,
  first: number,
  second: number,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value === 0) continue;
    let end = at[i]!;
    bytes[end++] = first;
    if (second !== 0) bytes[end++] = second;
    at[i] = writeUint(bytes, end, value);
  }
}

function addDoubles(
  count: number,
  values: Float64Array,
  tagBytes: number,
  sizes: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value > 0) sizes[i]! += tagBytes + doubleBytes(value);
    else if (value < 0) sizes[i]! += tagBytes + NEGATIVE_BYTES;
  }
}

function writeDoubles(
  count: number,
  values: Float64Array,
  first: number,
  second: number,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (value === 0) continue;
    let end = at[i]!;
    bytes[end++] = first;
    if (second !== 0) bytes[end++] = second;
    at[i] = value > 0 ? writeDouble(bytes, end, value) : writeNegative(bytes, end, value);
  }
}
