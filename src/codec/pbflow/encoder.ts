import { assert } from '../../base/assert.ts';
import type { FlowBatch } from '../../flow/batch.ts';
import type { InternTables } from '../../flow/intern.ts';
import { uintBytes, writeUint } from '../varint.ts';
import { WIRE } from '../wire.ts';
import { Fragments } from './fragments.ts';
import { columnsOf, partsOf, type WireColumns } from './layout.ts';
import { BLOCK_ROWS, type Block, type WirePart } from './part.ts';
import { ENTRIES } from './schema.ts';

const INITIAL_BYTES = 64 * 1024;
/** A buffer that grew beyond this for one large batch is released. */
const KEEP_BYTES = 4 * 2 ** 20;

/**
 * `entries`: each record has its tag and length from `pbflow.Records`, so that any run of
 * neighbours is a `Records` message. `bare`: each record is a `pbflow.Record` on its own.
 */
export type RecordFraming = 'entries' | 'bare';

const ENTRY = (ENTRIES << 3) | WIRE.bytes;

/**
 * Encodes batches as records of `pbflow`, the protocol of `netobserv-ebpf-agent`.
 *
 * The field table alone defines the fields and their forms. A block of rows is measured part by
 * part, and then written part by part in the order of field numbers, so that the loops touch only
 * typed arrays and no flow is ever an object.
 */
export class RecordEncoder {
  readonly #framing: RecordFraming;
  #bytes = new Uint8Array(INITIAL_BYTES);
  #offsets = new Uint32Array(1);
  #source: WireColumns | undefined;
  #tables: InternTables | undefined;
  #parts: readonly WirePart[] = [];
  readonly #filled: WirePart[] = [];
  readonly #block: Block = { count: 0, index: new Uint32Array(BLOCK_ROWS) };
  readonly #sizes = new Uint32Array(BLOCK_ROWS);
  readonly #at = new Uint32Array(BLOCK_ROWS);

  constructor(framing: RecordFraming) {
    this.#framing = framing;
  }

  /** The encoded records, in the encoder's buffer: valid until the next `encode`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Record `r` is `bytes[offsets[r] .. offsets[r + 1]]`. */
  get offsets(): Uint32Array {
    return this.#offsets;
  }

  /** Encodes the selected rows, in their order; returns their number. */
  encode(batch: FlowBatch): number {
    const rows = batch.selected;
    this.#bind(batch);
    if (this.#offsets.length <= rows) this.#offsets = new Uint32Array(rows + 1);
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = new Uint8Array(INITIAL_BYTES);
    const { index } = this.#block;
    let end = 0;
    for (let start = 0; start < rows; start += BLOCK_ROWS) {
      const count = Math.min(BLOCK_ROWS, rows - start);
      this.#block.count = count;
      fillIndex(batch.selection, start, count, index);
      end = this.#encodeBlock(start, end);
    }
    this.#offsets[rows] = end;
    return rows;
  }

  #bind(batch: FlowBatch): void {
    const { layout, tables } = batch;
    if (this.#source === undefined || this.#source.layout !== layout) {
      this.#source = { layout, columns: columnsOf(batch), fragments: new Fragments(tables) };
      this.#parts = partsOf(this.#source);
    } else {
      // The same batch may have other columns by now.
      this.#source.columns = columnsOf(batch);
      if (this.#tables !== tables) this.#source.fragments = new Fragments(tables);
    }
    this.#tables = tables;
  }

  /** The rows of a block, from record `first` and byte `from` on; returns where they end. */
  #encodeBlock(first: number, from: number): number {
    const block = this.#block;
    const sizes = this.#sizes;
    const filled = this.#filled;
    sizes.fill(0, 0, block.count);
    filled.length = 0;
    for (const part of this.#parts) if (part.measure(block, sizes)) filled.push(part);
    const isFramed = this.#framing === 'entries';
    const end = place(block.count, sizes, isFramed, from, this.#offsets, first);
    this.#reserve(end);
    const bytes = this.#bytes;
    open(block.count, sizes, isFramed, this.#offsets, first, bytes, this.#at);
    for (const part of filled) part.write(block, bytes, this.#at);
    assert(this.#at[block.count - 1] === end, 'a record has the size that was measured');
    return end;
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

function fillIndex(
  selection: Uint32Array | undefined,
  start: number,
  count: number,
  index: Uint32Array,
): void {
  if (selection === undefined) for (let i = 0; i < count; i++) index[i] = start + i;
  else for (let i = 0; i < count; i++) index[i] = selection[start + i]!;
}

/** Sets where each record begins; returns where the last one ends. */
function place(
  count: number,
  sizes: Uint32Array,
  isFramed: boolean,
  from: number,
  offsets: Uint32Array,
  first: number,
): number {
  let end = from;
  for (let i = 0; i < count; i++) {
    offsets[first + i] = end;
    end += isFramed ? 1 + uintBytes(sizes[i]!) + sizes[i]! : sizes[i]!;
  }
  return end;
}

/** Sets where the content of each record begins, behind its frame. */
function open(
  count: number,
  sizes: Uint32Array,
  isFramed: boolean,
  offsets: Uint32Array,
  first: number,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const start = offsets[first + i]!;
    if (isFramed) {
      bytes[start] = ENTRY;
      at[i] = writeUint(bytes, start + 1, sizes[i]!);
    } else {
      at[i] = start;
    }
  }
}
