import type { FlowBatch } from '../../flow/batch.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import type { ColumnPlanOptions } from '../column-plan.ts';
import type { RecordSource } from '../records.ts';
import { textField, writeHead, writeTime } from '../wire-writer.ts';
import { AttributeWriter } from './attributes.ts';
import { Entries } from './entries.ts';
import { KIND_INTERNAL, REQUEST, SPAN, SPAN_ID_BYTES, TRACE_ID_BYTES } from './schema.ts';
import { endOf, startOf } from './times.ts';

/** Room for ids, times and heads of a span, besides its name and attributes. */
const HEAD_BYTES = 96;
/** Ids are drawn for this many spans at once. */
const DRAWN_SPANS = 512;
/** Name of the span of a whole flow, as in flowlogs-pipeline. */
const FLOW_SPAN = 'flp_encode';

export interface SpanOptions extends ColumnPlanOptions {
  /**
   * Prefixes of fields, such as `Src`: a child span has the fields with its prefix, without it, and
   * all fields that have none of the prefixes.
   */
  readonly prefixes: readonly string[];
}

export interface SpanDeps {
  /** Fills bytes with random numbers. */
  readonly draw: (into: Uint8Array) => void;
  readonly nowMs: () => number;
}

/** One of the spans that a flow becomes. */
interface Part {
  readonly name: Uint8Array;
  readonly attributes: AttributeWriter;
}

/**
 * Flows as traces: a span with all fields, and a child for each prefix. Their times are those of
 * the flow's first and last packet. A record has the spans of one flow, each with its tag and
 * length, so that any run of neighbours is the content of a `ScopeSpans`.
 */
export class SpanRecords implements RecordSource {
  readonly #parts: readonly Part[];
  readonly #deps: SpanDeps;
  readonly #entries = new Entries(REQUEST.entries);
  readonly #span = new ByteBuffer();
  readonly #ids: Ids;

  constructor({ prefixes, ...options }: SpanOptions, deps: SpanDeps) {
    const part = (name: string, keyOf?: (name: string) => string | undefined): Part => ({
      name: textField(SPAN.name, name),
      attributes: new AttributeWriter({
        ...options,
        tag: SPAN.attributes,
        ...(keyOf === undefined ? {} : { keyOf }),
      }),
    });
    this.#parts = [part(FLOW_SPAN), ...prefixes.map((own) => part(own, childKey(own, prefixes)))];
    this.#deps = deps;
    this.#ids = new Ids(deps.draw);
  }

  get bytes(): Uint8Array {
    return this.#entries.bytes;
  }

  get offsets(): Uint32Array {
    return this.#entries.offsets;
  }

  encode(batch: FlowBatch): number {
    const { selection, selected } = batch;
    const nowMs = this.#deps.nowMs();
    const starts = startOf(batch);
    const ends = endOf(batch);
    for (const { attributes } of this.#parts) attributes.bind(batch);
    this.#entries.clear(selected);
    for (let i = 0; i < selected; i++) {
      const row = selection === undefined ? i : selection[i]!;
      const endMs = ends.at(row, nowMs);
      this.#write(row, starts.at(row, endMs), endMs);
    }
    return selected;
  }

  #write(row: number, startMs: number, endMs: number): void {
    const ids = this.#ids;
    ids.open();
    for (let i = 0; i < this.#parts.length; i++) {
      const { name, attributes } = this.#parts[i]!;
      const span = this.#span;
      span.clear();
      span.reserve(HEAD_BYTES + name.length);
      writeHead(span, SPAN.traceId, TRACE_ID_BYTES);
      span.copy(ids.trace, 0, TRACE_ID_BYTES);
      writeHead(span, SPAN.spanId, SPAN_ID_BYTES);
      span.copy(i === 0 ? ids.flow : ids.next(), 0, SPAN_ID_BYTES);
      if (i > 0) {
        writeHead(span, SPAN.parentSpanId, SPAN_ID_BYTES);
        span.copy(ids.flow, 0, SPAN_ID_BYTES);
      }
      span.copy(name, 0, name.length);
      span.bytes[span.length++] = SPAN.kind;
      span.bytes[span.length++] = KIND_INTERNAL;
      writeTime(span, SPAN.start, startMs);
      writeTime(span, SPAN.end, endMs);
      attributes.write(span, row);
      this.#entries.extend(span);
    }
    this.#entries.end();
  }
}

function childKey(own: string, prefixes: readonly string[]): (name: string) => string | undefined {
  return (name) => {
    if (name.startsWith(own)) return name.slice(own.length);
    return prefixes.some((other) => name.startsWith(other)) ? undefined : name;
  };
}

/** Random ids of one trace at a time. */
class Ids {
  /** Id of the trace. */
  readonly trace = new Uint8Array(TRACE_ID_BYTES);
  /** Id of its first span. */
  readonly flow = new Uint8Array(SPAN_ID_BYTES);
  readonly #draw: (into: Uint8Array) => void;
  readonly #drawn = new Uint8Array(DRAWN_SPANS * SPAN_ID_BYTES);
  readonly #other = new Uint8Array(SPAN_ID_BYTES);
  #at = this.#drawn.length;

  constructor(draw: (into: Uint8Array) => void) {
    this.#draw = draw;
  }

  open(): void {
    this.#fill(this.trace);
    this.#fill(this.flow);
  }

  /** Id of a further span, valid until the next call. */
  next(): Uint8Array {
    this.#fill(this.#other);
    return this.#other;
  }

  #fill(into: Uint8Array): void {
    if (this.#at + into.length > this.#drawn.length) {
      this.#draw(this.#drawn);
      this.#at = 0;
    }
    for (let i = 0; i < into.length; i++) into[i] = this.#drawn[this.#at++]!;
  }
}
