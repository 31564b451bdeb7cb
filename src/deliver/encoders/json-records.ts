import {
  createJsonWriter,
  type JsonWriter,
  type JsonWriterOptions,
} from '../../codec/json/writer.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { RecordSource } from './kafka.ts';

/** Flows as JSON objects, one behind the other. */
export class JsonRecords implements RecordSource {
  readonly #writer: JsonWriter;
  #offsets = new Uint32Array(1);
  #bytes = new Uint8Array(0);

  constructor(options: JsonWriterOptions) {
    this.#writer = createJsonWriter(options);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get offsets(): Uint32Array {
    return this.#offsets;
  }

  encode(batch: FlowBatch): number {
    const writer = this.#writer;
    const { selection, selected } = batch;
    if (this.#offsets.length <= selected) this.#offsets = new Uint32Array(selected + 1);
    writer.clear();
    for (let i = 0; i < selected; i++) {
      writer.write(batch, selection === undefined ? i : selection[i]!);
      this.#offsets[i + 1] = writer.length;
    }
    this.#bytes = writer.bytes();
    return selected;
  }
}
