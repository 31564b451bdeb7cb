import { ByteBuffer } from '../byte-buffer.ts';
import { fieldBytes, writeHead } from '../wire-writer.ts';

/** Messages of protobuf as entries of a repeated field: each with a tag and its length. */
export class Entries {
  readonly #tag: number;
  readonly #buffer = new ByteBuffer();
  #offsets = new Uint32Array(1);
  #records = 0;

  constructor(tag: number) {
    this.#tag = tag;
  }

  get bytes(): Uint8Array {
    return this.#buffer.bytes;
  }

  /** The entries of record `r` are `bytes[offsets[r] .. offsets[r + 1]]`. */
  get offsets(): Uint32Array {
    return this.#offsets;
  }

  /** Begins anew, with room for the offsets of `records` records. */
  clear(records: number): void {
    this.#buffer.clear();
    this.#records = 0;
    if (this.#offsets.length <= records) this.#offsets = new Uint32Array(records + 1);
  }

  /** Adds a record of one entry. */
  add(message: ByteBuffer): void {
    this.extend(message);
    this.end();
  }

  /** Adds an entry to the current record. */
  extend(message: ByteBuffer): void {
    this.#buffer.reserve(fieldBytes(message.length));
    writeHead(this.#buffer, this.#tag, message.length);
    this.#buffer.copy(message.bytes, 0, message.length);
  }

  /** Ends the current record. */
  end(): void {
    this.#offsets[++this.#records] = this.#buffer.length;
  }
}
