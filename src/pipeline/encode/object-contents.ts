import { ByteBuffer } from '../../codec/byte-buffer.ts';
import { JsonRecords } from '../../codec/json/records.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { S3Options } from '../options/encode/s3.ts';

/** An object is also complete when it has this many bytes. */
const OBJECT_BYTES_MAX = 32 * 2 ** 20;
/** Version of the JSON document, as in flowlogs-pipeline. */
const DOCUMENT_VERSION = 'v0.1';

const COMMA = 0x2c;
const LINE_FEED = 0x0a;

/** When an object was begun and ended, and its flows. */
export interface ObjectFacts {
  readonly openedMs: number;
  readonly closedMs: number;
  readonly flows: number;
}

/** The contents of an object, which grow: flows in one format. */
export interface ObjectContents {
  /** End of the names of objects. */
  readonly suffix: string;
  readonly contentType: string;
  /** They are compressed on the way. */
  readonly isCompressed: boolean;
  /** No more flows should be added. */
  readonly isFull: boolean;
  /** Called before anything else. */
  open?(): Promise<void>;
  /** Looks at a batch, whose flows are added next; returns how many it has. */
  encode(batch: FlowBatch): number;
  /** Adds flows of the batch. */
  add(from: number, to: number): void;
  /** The whole object; the next one begins. */
  close(facts: ObjectFacts): Uint8Array;
}

/** Flows as JSON: a document with facts about them, or a line for each. */
export class JsonContents implements ObjectContents {
  readonly suffix: string;
  readonly contentType: string;
  readonly isCompressed: boolean;
  readonly #header: S3Options['objectHeaderParameters'];
  readonly #records: JsonRecords;
  readonly #rows = new ByteBuffer();

  constructor(
    { format, objectHeaderParameters }: Pick<S3Options, 'format' | 'objectHeaderParameters'>,
    names: ReadonlySet<string>,
  ) {
    const isDocument = format === 'json';
    this.suffix = isDocument ? '' : `.${format}`;
    this.contentType = isDocument ? 'application/json' : 'application/x-ndjson';
    this.isCompressed = !isDocument;
    this.#header = objectHeaderParameters;
    this.#records = new JsonRecords({ names });
  }

  get isFull(): boolean {
    return this.#rows.length >= OBJECT_BYTES_MAX;
  }

  encode(batch: FlowBatch): number {
    return this.#records.encode(batch);
  }

  add(from: number, to: number): void {
    const { bytes, offsets } = this.#records;
    const rows = this.#rows;
    const separator = this.isCompressed ? LINE_FEED : COMMA;
    rows.reserve(offsets[to]! - offsets[from]! + to - from);
    for (let i = from; i < to; i++) {
      rows.copy(bytes, offsets[i]!, offsets[i + 1]!);
      rows.bytes[rows.length++] = separator;
    }
  }

  close(facts: ObjectFacts): Uint8Array {
    const rows = this.#rows.bytes.subarray(0, this.#rows.length);
    const object = this.isCompressed ? rows.slice() : this.#document(rows, facts);
    this.#rows.clear();
    return object;
  }

  #document(rows: Uint8Array, { openedMs, closedMs, flows }: ObjectFacts): Uint8Array {
    const head = JSON.stringify({
      ...this.#header,
      version: DOCUMENT_VERSION,
      capture_start_time: timeText(openedMs),
      capture_end_time: timeText(closedMs),
      number_of_flow_logs: flows,
      flow_logs: [],
    });
    // The rows belong between the last brackets; the last one has a comma behind it.
    const before = new TextEncoder().encode(head.slice(0, -2));
    const bytes = new Uint8Array(before.length + rows.length + 1);
    bytes.set(before);
    bytes.set(rows.subarray(0, rows.length - 1), before.length);
    bytes.set([0x5d, 0x7d], bytes.length - 2);
    return bytes;
  }
}

/** RFC 3339, to the second. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
