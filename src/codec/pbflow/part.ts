import { uintBytes, writeUint } from '../varint.ts';

/**
 * Rows encoded at a time: their bytes stay in the first-level cache while one part after the other
 * adds its own to each record.
 */
export const BLOCK_ROWS = 256;

/** The rows of a block: `index[0 .. count]` are their numbers in the batch. */
export interface Block {
  count: number;
  readonly index: Uint32Array;
}

/**
 * One field, or message of fields, of all records of a block. `measure` comes first and keeps the
 * values that `write` needs, so that the columns are read once.
 */
export interface WirePart {
  /**
   * Adds each row's bytes to `sizes`; false: no row has a value, and `write` need not be called.
   */
  measure(block: Block, sizes: Uint32Array): boolean;
  /** Writes each row's bytes at `at`, and moves `at` behind them. */
  write(block: Block, bytes: Uint8Array, at: Uint32Array): void;
}

/** A field's number and wire type, as bytes. */
export class Tag {
  readonly #bytes: readonly number[];

  constructor(number: number, wire: number) {
    const scratch = new Uint8Array(5);
    this.#bytes = [...scratch.subarray(0, writeUint(scratch, 0, (number << 3) | wire))];
  }

  get length(): number {
    return this.#bytes.length;
  }

  get first(): number {
    return this.#bytes[0]!;
  }

  /** 0 when the tag has one byte. Field numbers are below 2048, so that two are enough. */
  get second(): number {
    return this.#bytes[1] ?? 0;
  }
}

/** A message with its own fields. */
export class MessagePart implements WirePart {
  readonly #tag: Tag;
  readonly #parts: readonly WirePart[];
  readonly #always: boolean;
  readonly #filled: WirePart[] = [];
  readonly #sizes = new Uint32Array(BLOCK_ROWS);

  /** `always`: the message is sent even when it is empty. */
  constructor(tag: Tag, parts: readonly WirePart[], always: boolean) {
    this.#tag = tag;
    this.#parts = parts;
    this.#always = always;
  }

  measure(block: Block, sizes: Uint32Array): boolean {
    const inner = this.#sizes;
    inner.fill(0, 0, block.count);
    this.#filled.length = 0;
    for (const part of this.#parts) if (part.measure(block, inner)) this.#filled.push(part);
    if (this.#filled.length === 0 && !this.#always) return false;
    addMessages(block.count, inner, this.#tag.length, this.#always, sizes);
    return true;
  }

  write(block: Block, bytes: Uint8Array, at: Uint32Array): void {
    const { first, second } = this.#tag;
    writeHeads(block.count, this.#sizes, first, second, this.#always, bytes, at);
    for (const part of this.#filled) part.write(block, bytes, at);
  }
}

function addMessages(
  count: number,
  inner: Uint32Array,
  tagBytes: number,
  always: boolean,
  sizes: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const size = inner[i]!;
    if (size > 0 || always) sizes[i]! += tagBytes + uintBytes(size) + size;
  }
}

function writeHeads(
  count: number,
  inner: Uint32Array,
  first: number,
  second: number,
  always: boolean,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const size = inner[i]!;
    if (size === 0 && !always) continue;
    let end = at[i]!;
    bytes[end++] = first;
    if (second !== 0) bytes[end++] = second;
    at[i] = writeUint(bytes, end, size);
  }
}
