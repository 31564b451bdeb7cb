import type { F64Column } from '../../flow/batch.ts';
import { uintBytes, writeUint } from '../varint.ts';
import { WIRE } from '../wire.ts';
import { isBlank } from './numbers.ts';
import { BLOCK_ROWS, type Block, Tag, type WirePart } from './part.ts';
import { SPAN } from './schema.ts';

const NANOS = 1e9;
const SECONDS_MAX = 2 ** 32 - 1;
const SECONDS = new Tag(SPAN.seconds, WIRE.varint).first;
const NANOSECONDS = new Tag(SPAN.nanos, WIRE.varint).first;

/** A `Timestamp` or a `Duration`. */
export class SpanPart implements WirePart {
  readonly #tag: Tag;
  readonly #unitsPerSecond: number;
  readonly #always: boolean;
  readonly #column: () => F64Column | undefined;
  readonly #seconds = new Uint32Array(BLOCK_ROWS);
  readonly #nanos = new Uint32Array(BLOCK_ROWS);

  /** `always`: an empty message stands for zero and for no value. */
  constructor(
    tag: Tag,
    unitsPerSecond: number,
    always: boolean,
    column: () => F64Column | undefined,
  ) {
    this.#tag = tag;
    this.#unitsPerSecond = unitsPerSecond;
    this.#always = always;
    this.#column = column;
  }

  measure(block: Block, sizes: Uint32Array): boolean {
    const column = this.#column();
    const seconds = this.#seconds;
    const nanos = this.#nanos;
    let any = false;
    if (column !== undefined && !isBlank(block, column.present)) {
      any = gather(block, column, this.#unitsPerSecond, seconds, nanos);
    } else {
      seconds.fill(0);
      nanos.fill(0);
    }
    if (!any && !this.#always) return false;
    add(block.count, seconds, nanos, this.#tag.length, this.#always, sizes);
    return true;
  }

  write(block: Block, bytes: Uint8Array, at: Uint32Array): void {
    const { first, second } = this.#tag;
    write(block.count, this.#seconds, this.#nanos, first, second, this.#always, bytes, at);
  }
}

function gather(
  { count, index }: Block,
  { values, present }: F64Column,
  unitsPerSecond: number,
  seconds: Uint32Array,
  nanos: Uint32Array,
): boolean {
  const scale = NANOS / unitsPerSecond;
  let any = false;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const value = values[row]!;
    seconds[i] = 0;
    nanos[i] = 0;
    if (((present[row >>> 5]! >>> (row & 31)) & 1) === 0 || !(value > 0)) continue;
    const whole = Math.floor(value / unitsPerSecond);
    const part = Math.round((value - whole * unitsPerSecond) * scale);
    // A fraction may round up to a second.
    seconds[i] = Math.min(part < NANOS ? whole : whole + 1, SECONDS_MAX);
    nanos[i] = part < NANOS ? part : 0;
    any = true;
  }
  return any;
}

function spanBytes(seconds: number, nanos: number): number {
  const first = seconds === 0 ? 0 : 1 + uintBytes(seconds);
  return nanos === 0 ? first : first + 1 + uintBytes(nanos);
}

function add(
  count: number,
  seconds: Uint32Array,
  nanos: Uint32Array,
  tagBytes: number,
  always: boolean,
  sizes: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const inner = spanBytes(seconds[i]!, nanos[i]!);
    if (inner > 0 || always) sizes[i]! += tagBytes + 1 + inner;
  }
}

function write(
  count: number,
  seconds: Uint32Array,
  nanos: Uint32Array,
  first: number,
  second: number,
  always: boolean,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const inner = spanBytes(seconds[i]!, nanos[i]!);
    if (inner === 0 && !always) continue;
    let end = at[i]!;
    bytes[end++] = first;
    if (second !== 0) bytes[end++] = second;
    bytes[end++] = inner;
    if (seconds[i] !== 0) {
      bytes[end++] = SECONDS;
      end = writeUint(bytes, end, seconds[i]!);
    }
    if (nanos[i] !== 0) {
      bytes[end++] = NANOSECONDS;
      end = writeUint(bytes, end, nanos[i]!);
    }
    at[i] = end;
  }
}
