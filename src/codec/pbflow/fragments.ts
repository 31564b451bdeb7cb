import type { U16Column } from '../../flow/batch.ts';
import { EtherType } from '../../flow/enums.ts';
import type { InternTables, MacTable } from '../../flow/intern.ts';
import { FragmentCache } from '../fragment-cache.ts';
import { writeDouble } from '../varint.ts';
import { WIRE } from '../wire.ts';
import { dupFragment } from './lists.ts';
import { CodeMemo } from './numbers.ts';
import { BLOCK_ROWS, type Block, type Tag, type WirePart } from './part.ts';
import { IP, type WireCodes } from './schema.ts';
import { textFragment } from './text.ts';

const IPV6 = EtherType.IPv6;

/** Encoded forms made once for each value of one generation of tables. */
export class Fragments {
  /** Length and UTF-8. */
  readonly strings: FragmentCache;
  /** Length and `IP` message, by `addressKey`. */
  readonly addresses: FragmentCache;
  /** 48 bits as a varint; the first byte is the highest. */
  readonly macs: FragmentCache;
  /** See `dupFragment`. */
  readonly dupEntries: FragmentCache;
  readonly #tables: InternTables;
  readonly #codes = new Map<WireCodes, CodeMemo>();

  constructor(tables: InternTables) {
    this.#tables = tables;
    this.strings = new FragmentCache((id) => textFragment(tables.strings.text(id)));
    this.addresses = new FragmentCache((key) => addressFragment(tables, key));
    this.macs = new FragmentCache((id) => macFragment(tables.macs, id));
    this.dupEntries = new FragmentCache((key) => dupFragment((id) => this.text(id), key));
  }

  text(id: number): string {
    return this.#tables.strings.text(id);
  }

  codes(codes: WireCodes): CodeMemo {
    const known = this.#codes.get(codes);
    if (known !== undefined) return known;
    const memo = new CodeMemo((id) => codes.codeOf(this.text(id)));
    this.#codes.set(codes, memo);
    return memo;
  }
}

/**
 * An address of an IPv6 packet is sent as IPv6, even if it stands for an IPv4 address
 * (::ffff:0:0/96). 0: no address.
 */
function addressKey(id: number, isOfV6Packet: boolean): number {
  return id === 0 ? 0 : id * 2 + (isOfV6Packet ? 1 : 0);
}

function addressFragment({ addresses }: InternTables, key: number): Uint8Array {
  const id = key >>> 1;
  const isOfV6Packet = (key & 1) === 1;
  const whole = new Uint8Array(16);
  addresses.copyTo(id, whole, 0);
  if (!isOfV6Packet && addresses.isV4(id)) {
    // The address as a number, in little-endian order.
    const [a, b, c, d] = whole.subarray(12);
    return Uint8Array.of(5, (IP.ipv4 << 3) | WIRE.fixed32, d!, c!, b!, a!);
  }
  return Uint8Array.of(18, (IP.ipv6 << 3) | WIRE.bytes, 16, ...whole);
}

function macFragment(macs: MacTable, id: number): Uint8Array {
  const first = macs.word(id, 0);
  const last = macs.word(id, 1);
  const high = ((first & 0xff) << 8) | ((first >>> 8) & 0xff);
  const middle = (((first >>> 16) & 0xff) << 8) | (first >>> 24);
  const low = ((last & 0xff) << 8) | ((last >>> 8) & 0xff);
  const bytes = new Uint8Array(10);
  return bytes.slice(0, writeDouble(bytes, 0, high * 2 ** 32 + middle * 2 ** 16 + low));
}

/** The ids that a part writes (0: none), and the cache with their bytes. */
export interface FragmentSource {
  gather(block: Block, into: Uint32Array): boolean;
  cache(): FragmentCache;
}

/** A text, an address or a MAC. */
export class FragmentPart implements WirePart {
  readonly #tag: Tag;
  readonly #source: FragmentSource;
  readonly #ids = new Uint32Array(BLOCK_ROWS);

  constructor(tag: Tag, source: FragmentSource) {
    this.#tag = tag;
    this.#source = source;
  }

  measure(block: Block, sizes: Uint32Array): boolean {
    if (!this.#source.gather(block, this.#ids)) return false;
    add(block.count, this.#ids, this.#source.cache(), this.#tag.length, sizes);
    return true;
  }

  write(block: Block, bytes: Uint8Array, at: Uint32Array): void {
    const { first, second } = this.#tag;
    write(block.count, this.#ids, this.#source.cache(), first, second, bytes, at);
  }
}

export function gatherIds(
  { count, index }: Block,
  values: Uint32Array,
  into: Uint32Array,
): boolean {
  let any = 0;
  for (let i = 0; i < count; i++) {
    const id = values[index[i]!]!;
    into[i] = id;
    any |= id;
  }
  return any !== 0;
}

/** Keys of addresses; `etherTypes` are those of the packets, if known. */
export function gatherAddresses(
  { count, index }: Block,
  values: Uint32Array,
  etherTypes: U16Column | undefined,
  into: Uint32Array,
): boolean {
  let any = 0;
  for (let i = 0; i < count; i++) {
    const row = index[i]!;
    const isOfV6Packet =
      etherTypes !== undefined &&
      etherTypes.values[row] === IPV6 &&
      ((etherTypes.present[row >>> 5]! >>> (row & 31)) & 1) === 1;
    const key = addressKey(values[row]!, isOfV6Packet);
    into[i] = key;
    any |= key;
  }
  return any !== 0;
}

/** Gathers only ids for which the memo has 1. */
export function gatherMarkedIds(
  { count, index }: Block,
  values: Uint32Array,
  marks: CodeMemo,
  into: Uint32Array,
): boolean {
  let any = 0;
  for (let i = 0; i < count; i++) {
    const id = values[index[i]!]!;
    const kept = id !== 0 && marks.load(id) === 1 ? id : 0;
    into[i] = kept;
    any |= kept;
  }
  return any !== 0;
}

function add(
  count: number,
  ids: Uint32Array,
  cache: FragmentCache,
  tagBytes: number,
  sizes: Uint32Array,
): void {
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (id === 0) continue;
    const end = cache.load(id);
    sizes[i]! += tagBytes + end - cache.start(id);
  }
}

function write(
  count: number,
  ids: Uint32Array,
  cache: FragmentCache,
  first: number,
  second: number,
  bytes: Uint8Array,
  at: Uint32Array,
): void {
  const from = cache.bytes;
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (id === 0) continue;
    let end = at[i]!;
    bytes[end++] = first;
    if (second !== 0) bytes[end++] = second;
    const stop = cache.load(id);
    for (let j = cache.start(id); j < stop; j++) bytes[end++] = from[j]!;
    at[i] = end;
  }
}
