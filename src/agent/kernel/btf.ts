/**
 * Reads BTF, the type information of the kernel (/sys/kernel/btf) and of BPF objects
 * (Linux, Documentation/bpf/btf.rst). A look-up is one pass without an object per type: the kernel
 * has 100,000 types.
 */

import { assert } from '../../base/assert.ts';

const BTF_MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
/** Name, kind with the number of members, and the size or the id of another type. */
const HEAD_BYTES = 12;
/** Name, type and offset in bits. */
const MEMBER_BYTES = 12;
const ENUM_VALUE_BYTES = 8;

const Kind = { array: 3, struct: 4, enum: 6, typedef: 8, volatile: 9, const: 10 } as const;

/** Bytes that follow a type's header, by its kind: once, and for each of its members. */
const TRAILER_BYTES: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0],
  3: [12, 0],
  4: [0, MEMBER_BYTES],
  5: [0, MEMBER_BYTES],
  6: [0, ENUM_VALUE_BYTES],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
};
const KINDS = 32;
const FIXED = Uint8Array.from({ length: KINDS }, (_, kind) => TRAILER_BYTES[kind]?.[0] ?? 0);
const EACH = Uint8Array.from({ length: KINDS }, (_, kind) => TRAILER_BYTES[kind]?.[1] ?? 0);

/** Sections of a file; those of a module continue the kernel's. */
export interface Btf {
  readonly types: DataView;
  readonly strings: Buffer;
  readonly base: Btf | undefined;
}

export interface BtfValue {
  readonly name: string;
  readonly value: number;
}

export interface BtfField {
  readonly name: string;
  /** Bytes from the start of the outermost struct. */
  readonly offset: number;
  readonly sizeBytes: number;
  /** Elements, if it is an array. */
  readonly count: number | undefined;
}

export interface BtfStruct {
  readonly sizeBytes: number;
  readonly fields: readonly BtfField[];
}

/** `base`: the kernel's own BTF, if the bytes are a module's. Undefined: not BTF. */
export function openBtf(bytes: Buffer, base?: Btf): Btf | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16LE(0) !== BTF_MAGIC) return undefined;
  const start = bytes.readUInt32LE(4);
  const section = (at: number): Buffer => {
    const from = start + bytes.readUInt32LE(at);
    return bytes.subarray(from, from + bytes.readUInt32LE(at + 4));
  };
  const types = section(8);
  return {
    types: new DataView(types.buffer, types.byteOffset, types.length),
    strings: section(16),
    base,
  };
}

/** Names by value; if a value has several names, the first, since later ones are limits. */
export function enumOf(btf: Btf, name: string): ReadonlyMap<number, string> | undefined {
  const values = enumValuesOf(btf, name);
  if (values === undefined) return undefined;
  const names = new Map<number, string>();
  for (const each of values) if (!names.has(each.value)) names.set(each.value, each.name);
  return names;
}

/** Values in source order; undefined: the file has no such enumeration. */
export function enumValuesOf(btf: Btf, name: string): readonly BtfValue[] | undefined {
  const { types } = btf;
  const found = findType(btf, Kind.enum, name);
  if (found === undefined) return undefined;
  const values: BtfValue[] = [];
  const end = Math.min(found + typeBytes(types, found), types.byteLength);
  for (let at = found + HEAD_BYTES; at + ENUM_VALUE_BYTES <= end; at += ENUM_VALUE_BYTES) {
    const label = stringAt(btf, types.getUint32(at, true));
    values.push({ name: label, value: types.getUint32(at + 4, true) });
  }
  return values;
}

/** A struct of a file without a base; undefined: the file has no such struct. */
export function structOf(btf: Btf, name: string): BtfStruct | undefined {
  assert(btf.base === undefined, 'ids of a module continue those of the kernel');
  const found = findType(btf, Kind.struct, name);
  if (found === undefined) return undefined;
  const fields = new StructReader(btf).fieldsOf(found, 0);
  return { sizeBytes: btf.types.getUint32(found + 8, true), fields };
}

/** Offset of a type with members. A declaration, which has none, is skipped. */
function findType(btf: Btf, kind: number, name: string): number | undefined {
  const { types } = btf;
  const wanted = findString(btf, name);
  if (wanted === undefined) return undefined;
  for (let at = 0; at + HEAD_BYTES <= types.byteLength; at += typeBytes(types, at)) {
    if (kindOf(types, at) !== kind || membersOf(types, at) === 0) continue;
    if (types.getUint32(at, true) === wanted) return at;
  }
  return undefined;
}

function findString({ strings, base }: Btf, name: string): number | undefined {
  const at = strings.indexOf(`\0${name}\0`, 0, 'latin1');
  if (at >= 0) return (base?.strings.length ?? 0) + at + 1;
  return base === undefined ? undefined : findString(base, name);
}

function stringAt({ strings, base }: Btf, offset: number): string {
  const inherited = base?.strings.length ?? 0;
  if (base !== undefined && offset < inherited) return stringAt(base, offset);
  const at = offset - inherited;
  return strings.toString('latin1', at, strings.indexOf(0, at));
}

function kindOf(types: DataView, at: number): number {
  return (types.getUint32(at + 4, true) >>> 24) & (KINDS - 1);
}

function membersOf(types: DataView, at: number): number {
  return types.getUint32(at + 4, true) & 0xffff;
}

function typeBytes(types: DataView, at: number): number {
  const kind = kindOf(types, at);
  return HEAD_BYTES + FIXED[kind]! + EACH[kind]! * membersOf(types, at);
}

/** Follows ids of types, so it first notes where each type starts. */
class StructReader {
  readonly #btf: Btf;
  readonly #starts: readonly number[];

  constructor(btf: Btf) {
    this.#btf = btf;
    const starts: number[] = [];
    const { types } = btf;
    for (let at = 0; at + HEAD_BYTES <= types.byteLength; at += typeBytes(types, at)) {
      starts.push(at);
    }
    this.#starts = starts;
  }

  /** Members of anonymous structs and unions belong to the outer struct. */
  fieldsOf(struct: number, base: number): BtfField[] {
    const { types } = this.#btf;
    const first = struct + HEAD_BYTES;
    return Array.from({ length: membersOf(types, struct) }, (_, index) => {
      const at = first + index * MEMBER_BYTES;
      const name = stringAt(this.#btf, types.getUint32(at, true));
      const type = this.#resolve(types.getUint32(at + 4, true));
      const offset = base + types.getUint32(at + 8, true) / 8;
      if (name === '') return this.fieldsOf(type, offset);
      return [{ name, offset, sizeBytes: this.#sizeOf(type), count: this.#countOf(type) }];
    }).flat();
  }

  /** The type behind its aliases. Ids count from 1: 0 is void. */
  #resolve(id: number): number {
    const at = this.#starts[id - 1];
    assert(at !== undefined, `BTF type ${id} does not exist`);
    const { types } = this.#btf;
    const kind = kindOf(types, at);
    if (kind !== Kind.typedef && kind !== Kind.volatile && kind !== Kind.const) return at;
    return this.#resolve(types.getUint32(at + 8, true));
  }

  #countOf(type: number): number | undefined {
    const { types } = this.#btf;
    if (kindOf(types, type) !== Kind.array) return undefined;
    return types.getUint32(type + HEAD_BYTES + 8, true);
  }

  #sizeOf(type: number): number {
    const { types } = this.#btf;
    const count = this.#countOf(type);
    if (count === undefined) return types.getUint32(type + 8, true);
    return this.#sizeOf(this.#resolve(types.getUint32(type + HEAD_BYTES, true))) * count;
  }
}
