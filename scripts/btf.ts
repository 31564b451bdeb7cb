/**
 * Reads the type information that clang leaves in a BPF object: just the ELF sections and the BTF
 * kinds that a shared header of plain structs and enums needs (Linux Documentation/bpf/btf.rst).
 */

import { BTF_TRAILER_BYTES } from '../src/agent/kernel/btf.ts';

const SECTION_HEADER_BYTES = 64;
const BTF_MAGIC = 0xeb9f;

const Kind = { int: 1, array: 3, struct: 4, union: 5, enum: 6, typedef: 8, volatile: 9, const: 10 };
export interface BtfField {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Elements, when it is an array. */
  readonly count: number | undefined;
}

export interface Btf {
  structOf(name: string): { readonly sizeBytes: number; readonly fields: readonly BtfField[] };
  enumOf(name: string): readonly { readonly name: string; readonly value: number }[];
}

interface BtfType {
  readonly name: string;
  readonly kind: number;
  readonly members: number;
  /** Size in bytes, or the id of another type, as the kind has it. */
  readonly sizeOrType: number;
  /** Where the trailer starts. */
  readonly at: number;
}

function cString(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at, bytes.indexOf(0, at));
}

/** The contents of one section of a little-endian ELF64 file. */
function elfSection(file: Buffer, wanted: string): Buffer {
  const table = Number(file.readBigUInt64LE(40));
  const count = file.readUInt16LE(60);
  const header = (index: number): Buffer =>
    file.subarray(table + index * SECTION_HEADER_BYTES, table + (index + 1) * SECTION_HEADER_BYTES);
  const body = (head: Buffer): Buffer => {
    const start = Number(head.readBigUInt64LE(24));
    return file.subarray(start, start + Number(head.readBigUInt64LE(32)));
  };
  const names = body(header(file.readUInt16LE(62)));
  for (let index = 0; index < count; index++) {
    if (cString(names, header(index).readUInt32LE(0)) === wanted) return body(header(index));
  }
  throw new Error(`no section ${wanted} in the object: was it compiled with -g?`);
}

function readTypes(section: Buffer): readonly BtfType[] {
  if (section.readUInt16LE(0) !== BTF_MAGIC) throw new Error('section .BTF has no BTF magic');
  const start = section.readUInt32LE(4);
  const strings = section.subarray(start + section.readUInt32LE(16));
  const end = start + section.readUInt32LE(8) + section.readUInt32LE(12);
  const types: BtfType[] = [{ name: 'void', kind: 0, members: 0, sizeOrType: 0, at: 0 }];
  for (let at = start + section.readUInt32LE(8); at < end; ) {
    const info = section.readUInt32LE(at + 4);
    const kind = (info >>> 24) & 0x1f;
    const members = info & 0xffff;
    const [fixed, each] = BTF_TRAILER_BYTES[kind] ?? [0, 0];
    types.push({
      name: cString(strings, section.readUInt32LE(at)),
      kind,
      members,
      sizeOrType: section.readUInt32LE(at + 8),
      at: at + 12,
    });
    at += 12 + fixed + each * members;
  }
  return types;
}

export function readBtf(object: Buffer): Btf {
  const section = elfSection(object, '.BTF');
  const types = readTypes(section);
  const strings = section.subarray(section.readUInt32LE(4) + section.readUInt32LE(16));

  function resolve(id: number): BtfType {
    const type = types[id];
    if (type === undefined) throw new Error(`BTF type ${id} does not exist`);
    const isAlias = [Kind.typedef, Kind.volatile, Kind.const].includes(type.kind);
    return isAlias ? resolve(type.sizeOrType) : type;
  }

  function sizeOf(type: BtfType): number {
    if (type.kind !== Kind.array) return type.sizeOrType;
    return sizeOf(resolve(section.readUInt32LE(type.at))) * section.readUInt32LE(type.at + 8);
  }

  function fieldsOf(type: BtfType, base: number): BtfField[] {
    return Array.from({ length: type.members }, (_, index) => type.at + index * 12).flatMap(
      (at) => {
        const name = cString(strings, section.readUInt32LE(at));
        const field = resolve(section.readUInt32LE(at + 4));
        const offset = base + section.readUInt32LE(at + 8) / 8;
        // Members of anonymous structs and unions are the outer struct's own.
        if (name === '') return fieldsOf(field, offset);
        const count = field.kind === Kind.array ? section.readUInt32LE(field.at + 8) : undefined;
        return [{ name, offset, sizeBytes: sizeOf(field), count }];
      },
    );
  }

  function find(name: string, kind: number): BtfType {
    const type = types.find((each) => each.name === name && each.kind === kind);
    if (type === undefined) throw new Error(`the object's BTF has no type ${name}: is it in use?`);
    return type;
  }

  return {
    structOf(name) {
      const type = find(name, Kind.struct);
      return { sizeBytes: type.sizeOrType, fields: fieldsOf(type, 0) };
    },
    enumOf(name) {
      const type = find(name, Kind.enum);
      return Array.from({ length: type.members }, (_, index) => type.at + index * 8).map((at) => ({
        name: cString(strings, section.readUInt32LE(at)),
        value: section.readUInt32LE(at + 4),
      }));
    },
  };
}
