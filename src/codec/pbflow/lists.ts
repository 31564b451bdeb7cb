import { textOf } from '../../base/shown.ts';
import type { AnyColumn, ListColumn } from '../../flow/batch.ts';
import type { FragmentCache } from '../fragment-cache.ts';
import { uintBytes, writeUint } from '../varint.ts';
import { WIRE } from '../wire.ts';
import { BLOCK_ROWS, type Block, Tag, type WirePart } from './part.ts';
import { DUP_ENTRY, EVENT } from './schema.ts';
import { textFragment } from './text.ts';

/** A list of texts. */
export class TextsPart implements WirePart {
  readonly #tag: Tag;
  readonly #column: () => ListColumn;
  readonly #cache: () => FragmentCache;

  constructor(tag: Tag, column: () => ListColumn, cache: () => FragmentCache) {
    this.#tag = tag;
    this.#column = column;
    this.#cache = cache;
  }

  measure({ count, index }: Block, sizes: Uint32Array): boolean {
    const { offsets, values } = this.#column();
    const cache = this.#cache();
    let any = false;
    for (let i = 0; i < count; i++) {
      const row = index[i]!;
      const stop = offsets[row + 1]!;
      for (let j = offsets[row]!; j < stop; j++) {
        const end = cache.load(values[j]!);
        sizes[i]! += this.#tag.length + end - cache.start(values[j]!);
        any = true;
      }
    }
    return any;
  }

  write({ count, index }: Block, bytes: Uint8Array, at: Uint32Array): void {
    const { offsets, values } = this.#column();
    const { first, second } = this.#tag;
    const cache = this.#cache();
    for (let i = 0; i < count; i++) {
      const row = index[i]!;
      const stop = offsets[row + 1]!;
      let end = at[i]!;
      for (let j = offsets[row]!; j < stop; j++) {
        bytes[end++] = first;
        if (second !== 0) bytes[end++] = second;
        end = copy(cache, values[j]!, bytes, end);
      }
      at[i] = end;
    }
  }
}

/** Columns whose lists in a row have equal lengths; a shorter list lacks values at its end. */
export interface DupColumns {
  readonly interfaces: ListColumn | undefined;
  readonly directions: ListColumn | undefined;
  readonly udns: ListColumn | undefined;
}

const INTERFACE = new Tag(DUP_ENTRY.interface, WIRE.bytes).first;
const DIRECTION = new Tag(DUP_ENTRY.direction, WIRE.varint).first;
const UDN = new Tag(DUP_ENTRY.udn, WIRE.bytes).first;
const NO_LIST: ListColumn = {
  kind: 'list<u32>',
  offsets: new Uint32Array(0),
  values: new Uint32Array(0),
};

/** Directions are 0 to 3. */
const DIRECTION_BITS = 2;
const DIRECTION_MASK = 3;

/** An interface as a list entry, by its name's id and its direction: length and message. */
export function dupFragment(text: (id: number) => string, key: number): Uint8Array {
  const name = key >>> DIRECTION_BITS;
  const direction = key & DIRECTION_MASK;
  return Uint8Array.from(
    withLength([
      ...(name === 0 ? [] : [INTERFACE, ...textFragment(text(name))]),
      ...(direction === 0 ? [] : [DIRECTION, direction]),
    ]),
  );
}

/** Encoded texts, and encoded entries by `dupFragment`. */
export interface DupFragments {
  readonly strings: FragmentCache;
  readonly dupEntries: FragmentCache;
}

/** Interfaces of a flow, with the direction and the network of each. */
export class DupListPart implements WirePart {
  readonly #tag: Tag;
  readonly #columns: () => DupColumns;
  readonly #fragments: () => DupFragments;

  constructor(tag: Tag, columns: () => DupColumns, fragments: () => DupFragments) {
    this.#tag = tag;
    this.#columns = columns;
    this.#fragments = fragments;
  }

  measure({ count, index }: Block, sizes: Uint32Array): boolean {
    const { interfaces, directions, udns } = listsOf(this.#columns());
    const { strings, dupEntries } = this.#fragments();
    let any = false;
    for (let i = 0; i < count; i++) {
      const row = index[i]!;
      const entries = entriesOf(interfaces, directions, udns, row);
      for (let entry = 0; entry < entries; entry++) {
        const key = keyAt(interfaces, directions, row, entry);
        const udn = valueAt(udns, row, entry);
        const size = dupEntries.load(key) - dupEntries.start(key);
        sizes[i]! += this.#tag.length + (udn === 0 ? size : withUdn(size, strings, udn));
        any = true;
      }
    }
    return any;
  }

  write({ count, index }: Block, bytes: Uint8Array, at: Uint32Array): void {
    const { interfaces, directions, udns } = listsOf(this.#columns());
    const { first, second } = this.#tag;
    const { strings, dupEntries } = this.#fragments();
    for (let i = 0; i < count; i++) {
      const row = index[i]!;
      const entries = entriesOf(interfaces, directions, udns, row);
      let end = at[i]!;
      for (let entry = 0; entry < entries; entry++) {
        const key = keyAt(interfaces, directions, row, entry);
        const udn = valueAt(udns, row, entry);
        bytes[end++] = first;
        if (second !== 0) bytes[end++] = second;
        end =
          udn === 0
            ? copy(dupEntries, key, bytes, end)
            : writeWithUdn(dupEntries, key, strings, udn, bytes, end);
      }
      at[i] = end;
    }
  }
}

function listsOf({ interfaces, directions, udns }: DupColumns) {
  return {
    interfaces: interfaces ?? NO_LIST,
    directions: directions ?? NO_LIST,
    udns: udns ?? NO_LIST,
  };
}

function entriesOf(
  { offsets: a }: ListColumn,
  { offsets: b }: ListColumn,
  { offsets: c }: ListColumn,
  row: number,
): number {
  const interfaces = a.length === 0 ? 0 : a[row + 1]! - a[row]!;
  const directions = b.length === 0 ? 0 : b[row + 1]! - b[row]!;
  const udns = c.length === 0 ? 0 : c[row + 1]! - c[row]!;
  return Math.max(interfaces, directions, udns);
}

function keyAt(interfaces: ListColumn, directions: ListColumn, row: number, entry: number): number {
  const direction = valueAt(directions, row, entry) & DIRECTION_MASK;
  return (valueAt(interfaces, row, entry) << DIRECTION_BITS) | direction;
}

function valueAt({ offsets, values }: ListColumn, row: number, entry: number): number {
  if (offsets.length === 0) return 0;
  const at = offsets[row]! + entry;
  return at < offsets[row + 1]! ? values[at]! : 0;
}

/**
 * Bytes of an entry with a network, including its own length; `size` is the size without the
 * network.
 */
function withUdn(size: number, strings: FragmentCache, udn: number): number {
  const inner = innerOf(size) + 1 + strings.load(udn) - strings.start(udn);
  return uintBytes(inner) + inner;
}

/** Bytes of a message, given those of the message with its length. */
function innerOf(size: number): number {
  return size - uintBytes(size - uintBytes(size));
}

function writeWithUdn(
  dupEntries: FragmentCache,
  key: number,
  strings: FragmentCache,
  udn: number,
  bytes: Uint8Array,
  at: number,
): number {
  const stop = dupEntries.load(key);
  const from = dupEntries.bytes;
  const kept = innerOf(stop - dupEntries.start(key));
  let end = writeUint(bytes, at, kept + 1 + strings.load(udn) - strings.start(udn));
  for (let j = stop - kept; j < stop; j++) bytes[end++] = from[j]!;
  bytes[end++] = UDN;
  return copy(strings, udn, bytes, end);
}

function copy(cache: FragmentCache, id: number, bytes: Uint8Array, at: number): number {
  const stop = cache.load(id);
  const from = cache.bytes;
  let end = at;
  for (let j = cache.start(id); j < stop; j++) bytes[end++] = from[j]!;
  return end;
}

/** Bits that stand for the texts of a list. */
export function gatherMasks(
  { count, index }: Block,
  { offsets, values }: ListColumn,
  bits: { load(id: number): number },
  into: Uint32Array,
): boolean {
  let any = 0;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const stop = offsets[row + 1]!;
    let mask = 0;
    for (let j = offsets[row]!; j < stop; j++) mask |= bits.load(values[j]!);
    into[i] = mask;
    any |= mask;
  }
  return any !== 0;
}

/** Network events of a flow: few flows have any, so their maps are encoded one by one. */
export class EventsPart implements WirePart {
  readonly #tag: Tag;
  readonly #column: () => AnyColumn;
  readonly #encoded: (Uint8Array | undefined)[] = new Array(BLOCK_ROWS).fill(undefined);

  constructor(tag: Tag, column: () => AnyColumn) {
    this.#tag = tag;
    this.#column = column;
  }

  measure({ count, index }: Block, sizes: Uint32Array): boolean {
    const { values } = this.#column();
    let any = false;
    for (let i = 0; i < count; i++) {
      const value = values[index[i]!];
      this.#encoded[i] = Array.isArray(value) ? encodeEvents(value, this.#tag) : undefined;
      const size = this.#encoded[i]?.length ?? 0;
      sizes[i]! += size;
      if (size > 0) any = true;
    }
    return any;
  }

  write({ count }: Block, bytes: Uint8Array, at: Uint32Array): void {
    for (let i = 0; i < count; i++) {
      const encoded = this.#encoded[i];
      if (encoded === undefined) continue;
      bytes.set(encoded, at[i]!);
      at[i]! += encoded.length;
    }
  }
}

/** Most events of one flow that are sent. */
export const EVENTS_MAX = 64;

function encodeEvents(events: readonly unknown[], tag: Tag): Uint8Array {
  const pieces: number[] = [];
  for (const event of events.slice(0, EVENTS_MAX)) {
    if (typeof event !== 'object' || event === null) continue;
    const entries = Object.entries(event).flatMap(([key, value]) => [
      ...message(EVENT.entries, [
        ...message(EVENT.key, textFragment(key), false),
        ...message(EVENT.value, textFragment(textOf(value)), false),
      ]),
    ]);
    pieces.push(tag.first, ...(tag.second === 0 ? [] : [tag.second]), ...withLength(entries));
  }
  return Uint8Array.from(pieces);
}

function message(number: number, content: ArrayLike<number>, bare = true): readonly number[] {
  const bytes = Array.from(content);
  return [(number << 3) | WIRE.bytes, ...(bare ? withLength(bytes) : bytes)];
}

function withLength(content: readonly number[]): readonly number[] {
  const length = new Uint8Array(uintBytes(content.length));
  writeUint(length, 0, content.length);
  return [...length, ...content];
}
