import {
  type BatchLayout,
  type Column,
  EXTRAS,
  type FlowBatch,
  type ListColumn,
} from '../../flow/batch.ts';
import { hasBit } from '../../flow/bits.ts';
import { tcpFlagNames } from '../../flow/enums.ts';
import { type InternTables, MISSING } from '../../flow/intern.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import {
  type ColumnPlan,
  type ColumnPlanOptions,
  columnPlans,
  type TextFragments,
  textFragments,
} from '../column-plan.ts';
import { FragmentCache } from '../fragment-cache.ts';
import { NUMBER_BYTES, writeNumber } from './numbers.ts';

export interface JsonWriterOptions extends ColumnPlanOptions {
  /** Fields to write; absent: all fields of the batch. */
  readonly fields?: readonly string[];
}

/**
 * Writes flows as JSON objects, in UTF-8, into one growing buffer.
 *
 * Keys are encoded once per layout and texts once per interned value, so that writing a row mostly
 * copies short pieces. The output equals `JSON.stringify(rowOf(batch, row))`, byte for byte.
 */
export interface JsonWriter {
  /** Appends one flow, without a line feed. */
  write(batch: FlowBatch, row: number): void;
  /** Appends the selected flows, each with a line feed behind it. */
  writeBatch(batch: FlowBatch): void;
  /** Bytes written since `clear`. */
  readonly length: number;
  /** The bytes written: a view of the writer's buffer, valid until the next call of a method. */
  bytes(): Uint8Array<ArrayBuffer>;
  clear(): void;
}

export function createJsonWriter(options: JsonWriterOptions = {}): JsonWriter {
  return new Writer(options);
}

interface Plan extends ColumnPlan {
  /** `,"Name":`; the comma of the first key becomes the brace. */
  readonly key: Uint8Array;
}

const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COMMA = 0x2c;
const LINE_FEED = 0x0a;

const encoder = new TextEncoder();
const TRUE = encoder.encode('true');
const FALSE = encoder.encode('false');

class Writer implements JsonWriter {
  readonly #options: JsonWriterOptions;
  readonly #buffer = new ByteBuffer();
  readonly #flags = new FragmentCache((bits) => jsonBytes(tcpFlagNames(bits)));
  #layout: BatchLayout | undefined;
  #layoutPlans: readonly Plan[] = [];
  #plans: readonly Plan[] = [];
  #batch: FlowBatch | undefined;
  #columns: readonly Column[] = [];
  #tables: InternTables | undefined;
  #caches: TextFragments | undefined;

  constructor(options: JsonWriterOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#buffer.length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.bytes.subarray(0, this.#buffer.length);
  }

  clear(): void {
    this.#buffer.clear();
    // An idle writer thus keeps neither a batch nor its generation of tables alive.
    this.#batch = undefined;
  }

  write(batch: FlowBatch, row: number): void {
    const caches = this.#bind(batch);
    this.#row(row, caches);
  }

  writeBatch(batch: FlowBatch): void {
    // The same batch may have other columns by now.
    this.#batch = undefined;
    const caches = this.#bind(batch);
    const { selection, selected } = batch;
    for (let i = 0; i < selected; i++) {
      this.#row(selection === undefined ? i : selection[i]!, caches);
      this.#buffer.reserve(1);
      this.#buffer.bytes[this.#buffer.length++] = LINE_FEED;
    }
  }

  /** Looks up everything that stays the same for all rows of a batch. */
  #bind(batch: FlowBatch): TextFragments {
    if (this.#layout !== batch.layout) {
      this.#layout = batch.layout;
      this.#layoutPlans = planOf(batch.layout, this.#options);
      this.#batch = undefined;
    }
    if (this.#batch !== batch || this.#tables !== batch.tables) {
      this.#batch = batch;
      // Columns that nobody filled have nothing to write.
      this.#plans = this.#layoutPlans.filter((plan) => batch.filled(plan.name) !== undefined);
      this.#columns = this.#plans.map((plan) => batch.column(plan.name));
    }
    if (this.#caches === undefined || this.#tables !== batch.tables) {
      this.#tables = batch.tables;
      this.#caches = textFragments(batch.tables, jsonBytes);
    }
    return this.#caches;
  }

  #row(row: number, caches: TextFragments): void {
    const buffer = this.#buffer;
    const start = buffer.length;
    const plans = this.#plans;
    for (let i = 0; i < plans.length; i++) {
      const column = this.#columns[i]!;
      const plan = plans[i]!;
      switch (column.kind) {
        case 'str':
          writeText(buffer, plan.key, caches.strings, column.values[row]!);
          break;
        case 'addr':
          writeText(buffer, plan.key, caches.addresses, column.values[row]!);
          break;
        case 'mac':
          writeText(buffer, plan.key, caches.macs, column.values[row]!);
          break;
        case 'list<u32>':
          writeNumbers(buffer, plan.key, column, row);
          break;
        case 'list<str>':
          writeTexts(buffer, plan.key, caches.strings, column, row);
          break;
        case 'any':
          if (plan.name === EXTRAS) writeExtras(buffer, column.values[row]);
          else writeAny(buffer, plan.key, column.values[row]);
          break;
        default:
          if (hasBit(column.present, row)) this.#number(plan, column.values[row]!);
      }
    }
    buffer.reserve(2);
    if (buffer.length === start) buffer.length++;
    buffer.bytes[start] = OPEN;
    buffer.bytes[buffer.length++] = CLOSE;
  }

  #number(plan: Plan, value: number): void {
    const buffer = this.#buffer;
    if (value === 0 && plan.omitZero) return;
    if (!Number.isFinite(value)) return;
    if (plan.form === 'plain' || plan.form === 'whole') {
      buffer.reserve(plan.key.length + NUMBER_BYTES);
      buffer.copy(plan.key, 0, plan.key.length);
      writeNumber(buffer, plan.form === 'whole' ? Math.trunc(value) : value);
    } else if (plan.form === 'flags') writeFragment(buffer, plan.key, this.#flags, value);
    else {
      const word = value === 0 ? FALSE : TRUE;
      buffer.reserve(plan.key.length + word.length);
      buffer.copy(plan.key, 0, plan.key.length);
      buffer.copy(word, 0, word.length);
    }
  }
}

/** JSON text of a value, including quotes and escapes. */
function jsonBytes(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function planOf(layout: BatchLayout, options: JsonWriterOptions): readonly Plan[] {
  const wanted = options.fields === undefined ? undefined : new Set(options.fields);
  return columnPlans(layout, options)
    .filter(({ name }) => wanted?.has(name) !== false)
    .map((plan) => ({ ...plan, key: encoder.encode(`,${JSON.stringify(plan.name)}:`) }));
}

function writeText(buffer: ByteBuffer, key: Uint8Array, cache: FragmentCache, id: number): void {
  if (id !== MISSING) writeFragment(buffer, key, cache, id);
}

function writeFragment(
  buffer: ByteBuffer,
  key: Uint8Array,
  cache: FragmentCache,
  id: number,
): void {
  const end = cache.load(id);
  const start = cache.start(id);
  buffer.reserve(key.length + end - start);
  buffer.copy(key, 0, key.length);
  buffer.copy(cache.bytes, start, end);
}

function writeNumbers(buffer: ByteBuffer, key: Uint8Array, column: ListColumn, row: number): void {
  const start = column.offsets[row]!;
  const end = column.offsets[row + 1]!;
  if (end <= start) return;
  buffer.reserve(key.length + 1 + (end - start) * NUMBER_BYTES);
  buffer.copy(key, 0, key.length);
  for (let i = start; i < end; i++) {
    buffer.bytes[buffer.length++] = i === start ? OPEN_LIST : COMMA;
    writeNumber(buffer, column.values[i]!);
  }
  buffer.bytes[buffer.length++] = CLOSE_LIST;
}

function writeTexts(
  buffer: ByteBuffer,
  key: Uint8Array,
  cache: FragmentCache,
  column: ListColumn,
  row: number,
): void {
  const start = column.offsets[row]!;
  const end = column.offsets[row + 1]!;
  if (end <= start) return;
  buffer.reserve(key.length);
  buffer.copy(key, 0, key.length);
  for (let i = start; i < end; i++) {
    const id = column.values[i]!;
    const to = cache.load(id);
    const from = cache.start(id);
    buffer.reserve(to - from + 2);
    buffer.bytes[buffer.length++] = i === start ? OPEN_LIST : COMMA;
    buffer.copy(cache.bytes, from, to);
  }
  buffer.bytes[buffer.length++] = CLOSE_LIST;
}

/** Keys that only the data define. */
function writeExtras(buffer: ByteBuffer, extras: unknown): void {
  if (typeof extras !== 'object' || extras === null) return;
  for (const [key, value] of Object.entries(extras)) {
    writeAny(buffer, encoder.encode(`,${JSON.stringify(key)}:`), value);
  }
}

/** Rare: values of unknown kind. */
function writeAny(buffer: ByteBuffer, key: Uint8Array, value: unknown): void {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) return;
  const bytes = encoder.encode(text);
  buffer.reserve(key.length + bytes.length);
  buffer.copy(key, 0, key.length);
  buffer.copy(bytes, 0, bytes.length);
}
