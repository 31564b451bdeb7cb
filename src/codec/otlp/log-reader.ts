import { type BatchLayout, EXTRAS, type FlowBatch } from '../../flow/batch.ts';
import { FIELDS } from '../../flow/fields.ts';
import { beginRow, type CoercionFailures, type Row, storeValue } from '../../flow/row.ts';
import { protobufError } from '../errors.ts';
import { WIRE_MASK } from '../wire.ts';
import { WireReader } from '../wire-reader.ts';
import { OTLP_ERRORS } from './errors.ts';
import { KeyIndex, NO_KEY } from './key-index.ts';
import { fieldsOfBody, LOG_RECORD_BYTES_MAX } from './log-body.ts';
import { KEY_VALUE, LOG_RECORD, REQUEST } from './schema.ts';
import { readValue } from './value-reader.ts';

/** The way from a request to its log records. */
const PATH = [REQUEST.resourceEntries, REQUEST.scopeEntries, REQUEST.entries] as const;
const RECORD_DEPTH = PATH.length - 1;

/**
 * Reads `ExportLogsServiceRequest`s. The attributes of a log record are the fields of a flow; if
 * none of them is in the field table, the fields in the record's body are, too.
 *
 * A record is read into reused arrays and only then added, so one that is damaged leaves nothing.
 */
export class LogReader {
  readonly #layout: BatchLayout;
  readonly #reader = new WireReader(LOG_RECORD_BYTES_MAX);
  /** Columns of the layout, then the other fields of the table. */
  readonly #keys: KeyIndex;
  /** Whether a key is in the field table. */
  readonly #isField: readonly boolean[];
  readonly #ends = new Uint32Array(PATH.length);
  #depth = 0;
  #recordEnd = 0;
  // The record that is being read.
  #columns: number[] = [];
  #values: unknown[] = [];
  #extras: (readonly [string, unknown])[] = [];
  #bodyAt = 0;
  #attributes = 0;
  #hasFields = false;

  constructor(layout: BatchLayout) {
    this.#layout = layout;
    const fields = new Set(FIELDS.map(({ name }) => name));
    const columns = layout.columns.map(({ name }) => name);
    const keys = [...columns, ...[...fields].filter((name) => !layout.has(name))];
    this.#keys = new KeyIndex(keys);
    this.#isField = keys.map((key) => fields.has(key));
  }

  /** Opens a request. Throws a coded error if its parts do not fit; records are not looked into. */
  open(message: Uint8Array<ArrayBuffer>): void {
    this.#reset(message);
    while (this.find()) this.skip();
    this.#reset(message);
  }

  /** Goes to the next record; false: there are no more. `add` or `skip` follows. */
  find(): boolean {
    const reader = this.#reader;
    for (;;) {
      reader.end = this.#ends[this.#depth]!;
      if (reader.at === reader.end) {
        if (this.#depth === 0) return false;
        this.#depth--;
        continue;
      }
      const tag = reader.tag();
      if (tag !== PATH[this.#depth]) {
        reader.skip(tag & WIRE_MASK);
        continue;
      }
      const end = reader.length();
      if (this.#depth === RECORD_DEPTH) {
        this.#recordEnd = end;
        return true;
      }
      this.#ends[++this.#depth] = end;
    }
  }

  skip(): void {
    this.#reader.at = this.#recordEnd;
  }

  /**
   * Adds the record to the batch, which has room. Throws a coded error for one that is damaged, or
   * no flow; `skip` then passes it.
   */
  add(batch: FlowBatch, failures: CoercionFailures): void {
    this.#readRecord();
    const body = this.#hasFields ? undefined : this.#readBody();
    this.skip();
    const row = beginRow(batch);
    // The body first: an attribute replaces what the body says.
    if (body !== undefined) this.#storeBody(batch, row, body, failures);
    for (let i = 0; i < this.#columns.length; i++) {
      this.#store(batch, row, this.#columns[i]!, this.#values[i], failures);
    }
    if (this.#extras.length > 0) batch.any(EXTRAS)[row] = Object.fromEntries(this.#extras);
  }

  #reset(message: Uint8Array<ArrayBuffer>): void {
    this.#reader.reset(message, 0, message.length);
    this.#ends[0] = message.length;
    this.#depth = 0;
  }

  #readRecord(): void {
    const reader = this.#reader;
    reader.end = this.#recordEnd;
    if (reader.end - reader.at > LOG_RECORD_BYTES_MAX) {
      const problem = `a log record has over ${LOG_RECORD_BYTES_MAX} bytes`;
      throw protobufError(OTLP_ERRORS.tooLong, problem, reader.at);
    }
    this.#columns.length = 0;
    this.#values.length = 0;
    this.#extras.length = 0;
    this.#attributes = 0;
    this.#bodyAt = -1;
    this.#hasFields = false;
    while (reader.at < reader.end) {
      const tag = reader.tag();
      if (tag === LOG_RECORD.attributes) this.#readAttribute();
      else {
        if (tag === LOG_RECORD.body) this.#bodyAt = reader.at;
        reader.skip(tag & WIRE_MASK);
      }
    }
  }

  #readAttribute(): void {
    const reader = this.#reader;
    const recordEnd = reader.end;
    reader.end = reader.length();
    const { end } = reader;
    let keyFrom = 0;
    let keyTo = 0;
    let valueAt = -1;
    while (reader.at < end) {
      const tag = reader.tag();
      const start = reader.at;
      if (tag === KEY_VALUE.key) {
        keyTo = reader.length();
        keyFrom = reader.at;
        reader.at = keyTo;
      } else {
        if (tag === KEY_VALUE.value) valueAt = start;
        reader.skip(tag & WIRE_MASK);
      }
    }
    if (valueAt !== -1) this.#readNamed(keyFrom, keyTo, valueAt);
    reader.at = end;
    reader.end = recordEnd;
    this.#attributes++;
  }

  /** The value of an attribute that somebody reads. */
  #readNamed(keyFrom: number, keyTo: number, valueAt: number): void {
    const reader = this.#reader;
    const key = this.#keys.find(reader.bytes, keyFrom, keyTo);
    if (key !== NO_KEY && this.#isField[key]!) this.#hasFields = true;
    reader.at = valueAt;
    if (key === NO_KEY) {
      if (!this.#layout.has(EXTRAS)) return;
      const value = readValue(reader);
      if (value !== undefined) this.#extras.push([reader.textBetween(keyFrom, keyTo), value]);
    } else if (key < this.#layout.columns.length) {
      const value = readValue(reader);
      if (value === undefined || this.#layout.columns[key]!.name === EXTRAS) return;
      this.#columns.push(key);
      this.#values.push(value);
    }
  }

  #readBody(): Row {
    const reader = this.#reader;
    if (this.#bodyAt === -1) return fieldsOfBody(undefined, this.#attributes > 0);
    reader.at = this.#bodyAt;
    return fieldsOfBody(readValue(reader), this.#attributes > 0);
  }

  #storeBody(batch: FlowBatch, row: number, body: Row, failures: CoercionFailures): void {
    const others: (readonly [string, unknown])[] = [];
    for (const [name, value] of Object.entries(body)) {
      if (value === null || value === undefined || name === EXTRAS) continue;
      const column = this.#layout.indexOf(name);
      if (column !== -1) this.#store(batch, row, column, value, failures);
      else if (this.#layout.has(EXTRAS)) others.push([name, value]);
    }
    this.#extras.unshift(...others);
  }

  #store(
    batch: FlowBatch,
    row: number,
    column: number,
    value: unknown,
    failures: CoercionFailures,
  ): void {
    const { name } = this.#layout.columns[column]!;
    if (storeValue(batch.columnAt(column), row, value, name, batch.tables)) return;
    failures.set(name, (failures.get(name) ?? 0) + 1);
  }
}
