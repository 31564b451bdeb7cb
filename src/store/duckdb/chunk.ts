import duckdb from '@duckdb/node-bindings';
import { assertNever } from '../../base/assert.ts';
import type { ColumnSpec, FlowBatch, ListColumn } from '../../flow/batch.ts';
import { bitWords, hasBit, setBit } from '../../flow/bits.ts';
import type { FieldKind } from '../../flow/field.ts';
import { type InternTables, MISSING, type StringTable } from '../../flow/intern.ts';
import { Dictionary, IdMap, ListMap } from './dictionary.ts';

/** Rows of one vector of the database. */
export const CHUNK_ROWS = 2048;

const VALIDITY_WORDS = bitWords(CHUNK_ROWS);
const VECTOR_BYTES_MAX = 8 * CHUNK_ROWS;

type Numbers = Uint8Array | Uint16Array | Uint32Array | Float64Array;

/** Everything that translates a batch's ids to ids of the store. */
export class Translation {
  readonly strings: Dictionary;
  readonly addresses: Dictionary;
  readonly macs: Dictionary;
  readonly stringIds: IdMap;
  readonly addressIds: IdMap;
  readonly macIds: IdMap;
  readonly #textLists: ListMap;
  readonly #numberLists: ListMap;
  #generation = 0;

  constructor(lastIds: Readonly<Record<'strings' | 'addresses' | 'macs', number>>) {
    this.strings = new Dictionary('strings', lastIds.strings);
    this.addresses = new Dictionary('addresses', lastIds.addresses);
    this.macs = new Dictionary('macs', lastIds.macs);
    this.stringIds = new IdMap(this.strings);
    this.addressIds = new IdMap(this.addresses);
    this.macIds = new IdMap(this.macs);
    this.#textLists = new ListMap(this.strings);
    this.#numberLists = new ListMap(this.strings);
  }

  lists(column: ListColumn): ListMap {
    return column.kind === 'list<str>' ? this.#textLists : this.#numberLists;
  }

  /** Call it before a batch: its ids change their meaning when the tables are rebuilt. */
  enter(tables: InternTables): void {
    if (tables.generation === this.#generation) return;
    this.forget();
    this.#generation = tables.generation;
  }

  /** Values get new ids from here on. Assigned entries stay pending. */
  forget(): void {
    this.stringIds.clear();
    this.addressIds.clear();
    this.macIds.clear();
    this.#textLists.clear();
    this.#numberLists.clear();
  }

  /** Also gives up pending entries, together with the rows that refer to them. */
  abandon(): void {
    this.forget();
    for (const dictionary of [this.strings, this.addresses, this.macs]) dictionary.written();
  }
}

const VECTOR_TYPES: Partial<Record<FieldKind, duckdb.Type>> = {
  u8: duckdb.Type.UTINYINT,
  u16: duckdb.Type.USMALLINT,
  f64: duckdb.Type.DOUBLE,
};

/** A chunk with the columns of a partition, filled over and over from batches. */
export class ChunkFiller {
  readonly #columns: readonly ColumnSpec[];
  readonly #chunk: duckdb.DataChunk;
  readonly #ids = new Uint32Array(CHUNK_ROWS);
  readonly #present = new Uint32Array(VALIDITY_WORDS);
  readonly #gathered = new Uint8Array(VECTOR_BYTES_MAX);
  readonly #zeros = new Uint8Array(VECTOR_BYTES_MAX);

  constructor(columns: readonly ColumnSpec[]) {
    this.#columns = columns;
    this.#chunk = duckdb.create_data_chunk(
      columns.map(({ kind }) =>
        duckdb.create_logical_type(VECTOR_TYPES[kind] ?? duckdb.Type.UINTEGER),
      ),
    );
  }

  /** Fills in rows `[from, from + count)` of the batch, or of its selection. */
  fill(batch: FlowBatch, from: number, count: number, translation: Translation): duckdb.DataChunk {
    duckdb.data_chunk_reset(this.#chunk);
    for (const [index, spec] of this.#columns.entries()) {
      const vector = duckdb.data_chunk_get_vector(this.#chunk, index);
      this.#fillColumn(vector, spec, batch, from, count, translation);
    }
    duckdb.data_chunk_set_size(this.#chunk, count);
    return this.#chunk;
  }

  #fillColumn(
    vector: duckdb.Vector,
    spec: ColumnSpec,
    batch: FlowBatch,
    from: number,
    count: number,
    translation: Translation,
  ): void {
    const column = batch.filled(spec.name);
    if (column === undefined) {
      this.#absent(vector, spec.kind, count);
      return;
    }
    const { selection, tables } = batch;
    const ids = this.#ids;
    switch (column.kind) {
      case 'u8':
      case 'u16':
      case 'u32':
      case 'f64':
        this.#numbers(vector, column.values, selection, from, count);
        this.#validity(vector, column.present, selection, from, count);
        return;
      case 'str':
        translation.stringIds.translate(tables.strings, column.values, selection, from, ids, count);
        break;
      case 'addr':
        translation.addressIds.translate(
          tables.addresses,
          column.values,
          selection,
          from,
          ids,
          count,
        );
        break;
      case 'mac':
        translation.macIds.translate(tables.macs, column.values, selection, from, ids, count);
        break;
      case 'list<u32>':
      case 'list<str>':
        translation.lists(column).translate(tables, column, selection, from, ids, count);
        break;
      case 'any':
        internJson(tables.strings, column.values, selection, from, ids, count);
        translation.stringIds.translate(tables.strings, ids, undefined, 0, ids, count);
        break;
      default:
        assertNever(column);
    }
    duckdb.copy_data_to_vector(vector, 0, ids.buffer, 0, count * 4);
  }

  #absent(vector: duckdb.Vector, kind: FieldKind, count: number): void {
    if (kind === 'u8' || kind === 'u16' || kind === 'u32' || kind === 'f64') {
      this.#copyValidity(vector, this.#zeros.buffer, 0, count);
      return;
    }
    duckdb.copy_data_to_vector(vector, 0, this.#zeros.buffer, 0, count * 4);
  }

  #numbers(
    vector: duckdb.Vector,
    values: Numbers,
    selection: Uint32Array | undefined,
    from: number,
    count: number,
  ): void {
    const width = values.BYTES_PER_ELEMENT;
    if (selection === undefined) {
      const at = values.byteOffset + from * width;
      duckdb.copy_data_to_vector(vector, 0, bufferOf(values), at, count * width);
      return;
    }
    gather(values, selection, from, count, this.#gathered);
    duckdb.copy_data_to_vector(vector, 0, this.#gathered.buffer, 0, count * width);
  }

  #validity(
    vector: duckdb.Vector,
    present: Uint32Array,
    selection: Uint32Array | undefined,
    from: number,
    count: number,
  ): void {
    // The bitmaps have the same form on both sides, so whole words are copied when rows are
    // aligned.
    if (selection === undefined && (from & 31) === 0) {
      const at = from >>> 5;
      if (allSet(present, at, count)) return;
      this.#copyValidity(vector, bufferOf(present), present.byteOffset + at * 4, count);
      return;
    }
    gatherBits(present, selection, from, count, this.#present);
    if (allSet(this.#present, 0, count)) return;
    this.#copyValidity(vector, this.#present.buffer, 0, count);
  }

  #copyValidity(vector: duckdb.Vector, source: ArrayBuffer, at: number, count: number): void {
    duckdb.vector_ensure_validity_writable(vector);
    duckdb.copy_data_to_vector_validity(vector, 0, source, at, (count + 7) >>> 3);
  }
}

/** Values of any shape are kept as JSON text; few fields have them, and rarely. */
function internJson(
  strings: StringTable,
  values: readonly unknown[],
  selection: Uint32Array | undefined,
  from: number,
  target: Uint32Array,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[selection === undefined ? from + i : selection[from + i]!];
    target[i] = value === undefined ? MISSING : strings.intern(JSON.stringify(value));
  }
}

function bufferOf(values: Numbers): ArrayBuffer {
  const { buffer } = values;
  if (buffer instanceof ArrayBuffer) return buffer;
  throw new Error('assertion failed: columns are not shared between threads');
}

function allSet(bits: Uint32Array, at: number, count: number): boolean {
  const whole = count >>> 5;
  for (let i = 0; i < whole; i++) if (bits[at + i] !== 0xffffffff) return false;
  const rest = count & 31;
  if (rest === 0) return true;
  const mask = 2 ** rest - 1;
  return (bits[at + whole]! & mask) >>> 0 === mask;
}

function gatherBits(
  source: Uint32Array,
  selection: Uint32Array | undefined,
  from: number,
  count: number,
  target: Uint32Array,
): void {
  target.fill(0);
  for (let i = 0; i < count; i++) {
    const row = selection === undefined ? from + i : selection[from + i]!;
    if (hasBit(source, row)) setBit(target, i);
  }
}

/** One loop per width, so that each stays monomorphic. */
function gather(
  values: Numbers,
  selection: Uint32Array,
  from: number,
  count: number,
  target: Uint8Array<ArrayBuffer>,
): void {
  if (values instanceof Uint8Array) gatherU8(values, selection, from, count, target);
  else if (values instanceof Uint16Array) gatherU16(values, selection, from, count, target);
  else if (values instanceof Uint32Array) gatherU32(values, selection, from, count, target);
  else gatherF64(values, selection, from, count, target);
}

function gatherU8(
  values: Uint8Array,
  selection: Uint32Array,
  from: number,
  count: number,
  out: Uint8Array,
): void {
  for (let i = 0; i < count; i++) out[i] = values[selection[from + i]!]!;
}

function gatherU16(
  values: Uint16Array,
  selection: Uint32Array,
  from: number,
  count: number,
  target: Uint8Array<ArrayBuffer>,
): void {
  const out = new Uint16Array(target.buffer);
  for (let i = 0; i < count; i++) out[i] = values[selection[from + i]!]!;
}

function gatherU32(
  values: Uint32Array,
  selection: Uint32Array,
  from: number,
  count: number,
  target: Uint8Array<ArrayBuffer>,
): void {
  const out = new Uint32Array(target.buffer);
  for (let i = 0; i < count; i++) out[i] = values[selection[from + i]!]!;
}

function gatherF64(
  values: Float64Array,
  selection: Uint32Array,
  from: number,
  count: number,
  target: Uint8Array<ArrayBuffer>,
): void {
  const out = new Float64Array(target.buffer);
  for (let i = 0; i < count; i++) out[i] = values[selection[from + i]!]!;
}
