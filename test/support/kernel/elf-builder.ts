const HEADER_BYTES = 64;

export interface ElfSymbol {
  readonly name: string;
  readonly type?: number;
  /** 0: imported. */
  readonly section?: number;
}

/** A file with only the sections that the reader needs. */
export function buildElf(symbols: readonly ElfSymbol[], needed: readonly string[]): Buffer {
  const names = ['', ...symbols.map(({ name }) => name), ...needed];
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
  const placeOf = (index: number): number =>
    names.slice(0, index).reduce((sum, name) => sum + name.length + 1, 0);
  const table = Buffer.concat(
    symbols.map(({ type = 2, section = 1 }, index) => {
      const entry = Buffer.alloc(24);
      entry.writeUInt32LE(placeOf(index + 1), 0);
      entry[4] = 0x10 | type;
      entry.writeUInt16LE(section, 6);
      return entry;
    }),
  );
  const dynamic = Buffer.concat(
    needed.map((_, index) => {
      const entry = Buffer.alloc(16);
      entry.writeBigUInt64LE(1n, 0);
      entry.writeBigUInt64LE(BigInt(placeOf(symbols.length + 1 + index)), 8);
      return entry;
    }),
  );
  const sections = [
    { type: 0, content: Buffer.alloc(0), link: 0 },
    { type: 3, content: strings, link: 0 },
    { type: 11, content: table, link: 1 },
    { type: 6, content: dynamic, link: 1 },
  ];
  const header = Buffer.alloc(HEADER_BYTES);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  let at = HEADER_BYTES;
  const heads = sections.map(({ type, content, link }) => {
    const head = Buffer.alloc(64);
    head.writeUInt32LE(type, 4);
    head.writeBigUInt64LE(BigInt(at), 24);
    head.writeBigUInt64LE(BigInt(content.length), 32);
    head.writeUInt32LE(link, 40);
    at += content.length;
    return head;
  });
  header.writeBigUInt64LE(BigInt(at), 40);
  header.writeUInt16LE(sections.length, 60);
  return Buffer.concat([header, ...sections.map(({ content }) => content), ...heads]);
}
