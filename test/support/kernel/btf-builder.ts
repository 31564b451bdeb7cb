/** Builds BTF like a compiler: enumerations between types that a reader must skip. */

export interface BtfEnum {
  readonly name: string;
  readonly values: readonly (readonly [name: string, value: number])[];
}

/** `base`: bytes of the kernel's own BTF; a module's strings continue after its strings. */
export function buildBtf(enums: readonly BtfEnum[], base?: Buffer): Buffer {
  const inherited = base === undefined ? '' : stringsOf(base);
  let strings = '\0';
  const place = (text: string): number => {
    const known = inherited.indexOf(`\0${text}\0`);
    if (known >= 0) return known + 1;
    const at = strings.indexOf(`\0${text}\0`);
    if (at >= 0) return inherited.length + at + 1;
    strings += `${text}\0`;
    return inherited.length + strings.length - text.length - 1;
  };
  const words: number[] = [];
  const head = (name: string, kind: number, members: number, size: number): void => {
    words.push(place(name), (kind << 24) | members, size);
  };
  for (const { name, values } of enums) {
    // An integer, a struct of one member that has the enumeration's name, and the enumeration.
    head('int', 1, 0, 4);
    words.push(32);
    head(name, 4, 1, 4);
    words.push(place('member'), 1, 0);
    head(name, 6, values.length, 4);
    for (const [label, value] of values) words.push(place(label), value);
  }
  const types = Buffer.alloc(words.length * 4);
  for (const [index, word] of words.entries()) types.writeUInt32LE(word >>> 0, index * 4);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header[2] = 1;
  header.writeUInt32LE(header.length, 4);
  header.writeUInt32LE(types.length, 12);
  header.writeUInt32LE(types.length, 16);
  header.writeUInt32LE(strings.length, 20);
  return Buffer.concat([header, types, Buffer.from(strings, 'latin1')]);
}

function stringsOf(bytes: Buffer): string {
  const from = bytes.readUInt32LE(4) + bytes.readUInt32LE(16);
  return bytes.toString('latin1', from, from + bytes.readUInt32LE(20));
}
