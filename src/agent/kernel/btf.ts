/**
 * Enumerations in the type information that the kernel gives of itself (/sys/kernel/btf, Linux
 * Documentation/bpf/btf.rst). One pass without an object per type: the kernel has 100,000 of them.
 */

const BTF_MAGIC = 0xeb9f;
const TYPE_BYTES = 12;
const ENUM = 6;

/** Bytes that follow a type's head, by its kind: once, and for each of its members. */
export const BTF_TRAILER_BYTES: Readonly<Record<number, readonly [number, number]>> = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
};
const KINDS = 32;
const FIXED = Uint8Array.from({ length: KINDS }, (_, kind) => BTF_TRAILER_BYTES[kind]?.[0] ?? 0);
const EACH = Uint8Array.from({ length: KINDS }, (_, kind) => BTF_TRAILER_BYTES[kind]?.[1] ?? 0);

/** Sections of a file; those of a module go on where the kernel's own end. */
export interface KernelTypes {
  readonly types: Buffer;
  readonly strings: Buffer;
  readonly base: KernelTypes | undefined;
}

/** `base`: the kernel's own, when the bytes are a module's. Undefined: not BTF. */
export function openBtf(bytes: Buffer, base?: KernelTypes): KernelTypes | undefined {
  if (bytes.length < 24 || bytes.readUInt16LE(0) !== BTF_MAGIC) return undefined;
  const start = bytes.readUInt32LE(4);
  const section = (at: number): Buffer => {
    const from = start + bytes.readUInt32LE(at);
    return bytes.subarray(from, from + bytes.readUInt32LE(at + 4));
  };
  return { types: section(8), strings: section(16), base };
}

/** Names by value, as the kernel's source spells them; undefined: there is no such enumeration. */
export function enumOf(btf: KernelTypes, name: string): ReadonlyMap<number, string> | undefined {
  const offset = findString(btf, name);
  return offset === undefined ? undefined : findEnum(btf, offset);
}

function findString({ strings, base }: KernelTypes, name: string): number | undefined {
  const at = strings.indexOf(`\0${name}\0`, 0, 'latin1');
  if (at >= 0) return (base?.strings.length ?? 0) + at + 1;
  return base === undefined ? undefined : findString(base, name);
}

function findEnum(btf: KernelTypes, name: number): ReadonlyMap<number, string> | undefined {
  const { types } = btf;
  const view = new DataView(types.buffer, types.byteOffset, types.length);
  for (let at = 0; at + TYPE_BYTES <= types.length; ) {
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & (KINDS - 1);
    const members = info & 0xffff;
    if (kind === ENUM && members > 0 && view.getUint32(at, true) === name) {
      return readValues(btf, view, at + TYPE_BYTES, members);
    }
    at += TYPE_BYTES + FIXED[kind]! + EACH[kind]! * members;
  }
  return undefined;
}

function readValues(
  btf: KernelTypes,
  view: DataView,
  start: number,
  members: number,
): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (let at = start; at < start + members * 8 && at + 8 <= view.byteLength; at += 8) {
    const value = view.getUint32(at + 4, true);
    // Of several names for a value the first is the real one: later ones are limits.
    if (!names.has(value)) names.set(value, stringAt(btf, view.getUint32(at, true)));
  }
  return names;
}

function stringAt({ strings, base }: KernelTypes, offset: number): string {
  const inherited = base?.strings.length ?? 0;
  if (base !== undefined && offset < inherited) return stringAt(base, offset);
  const at = offset - inherited;
  return strings.toString('latin1', at, strings.indexOf(0, at));
}
