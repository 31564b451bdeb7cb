import type { FlowBatch } from '../../flow/batch.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import type { ColumnPlanOptions } from '../column-plan.ts';
import { JsonRecords } from '../json/records.ts';
import type { RecordSource } from '../records.ts';
import {
  concat,
  FIXED64_FIELD_BYTES,
  fieldBytes,
  textField,
  writeHead,
  writeTime,
} from '../wire-writer.ts';
import { AttributeWriter } from './attributes.ts';
import { Entries } from './entries.ts';
import { ANY_VALUE, LOG_RECORD, REQUEST, SEVERITY_INFO } from './schema.ts';
import { endOf } from './times.ts';

/** Room for tags, lengths and times of a record, besides its body and attributes. */
const HEAD_BYTES = 64;

const SEVERITY = concat(
  Uint8Array.of(LOG_RECORD.severityNumber, SEVERITY_INFO),
  textField(LOG_RECORD.severityText, 'INFO'),
);

/**
 * Flows as `LogRecord`s, each with its tag and length, so that any run of neighbours is the content
 * of a `ScopeLogs`. The body is the flow as JSON, the attributes are its fields, and the time is
 * that of its last packet.
 */
export class LogRecords implements RecordSource {
  readonly #bodies: JsonRecords;
  readonly #attributes: AttributeWriter;
  readonly #entries = new Entries(REQUEST.entries);
  readonly #record = new ByteBuffer();
  readonly #nowMs: () => number;

  constructor(options: ColumnPlanOptions, nowMs: () => number) {
    this.#bodies = new JsonRecords(options);
    this.#attributes = new AttributeWriter({ ...options, tag: LOG_RECORD.attributes });
    this.#nowMs = nowMs;
  }

  get bytes(): Uint8Array {
    return this.#entries.bytes;
  }

  get offsets(): Uint32Array {
    return this.#entries.offsets;
  }

  encode(batch: FlowBatch): number {
    const { selection, selected } = batch;
    const nowMs = this.#nowMs();
    const ends = endOf(batch);
    this.#bodies.encode(batch);
    this.#attributes.bind(batch);
    this.#entries.clear(selected);
    for (let i = 0; i < selected; i++) {
      const row = selection === undefined ? i : selection[i]!;
      this.#write(i, row, ends.at(row, nowMs), nowMs);
      this.#entries.add(this.#record);
    }
    return selected;
  }

  #write(index: number, row: number, timeMs: number, nowMs: number): void {
    const record = this.#record;
    const { bytes, offsets } = this.#bodies;
    const from = offsets[index]!;
    const to = offsets[index + 1]!;
    record.clear();
    record.reserve(HEAD_BYTES + 2 * FIXED64_FIELD_BYTES + to - from);
    writeTime(record, LOG_RECORD.time, timeMs);
    writeTime(record, LOG_RECORD.observedTime, nowMs);
    record.copy(SEVERITY, 0, SEVERITY.length);
    writeHead(record, LOG_RECORD.body, fieldBytes(to - from));
    writeHead(record, ANY_VALUE.string, to - from);
    record.copy(bytes, from, to);
    this.#attributes.write(record, row);
  }
}
