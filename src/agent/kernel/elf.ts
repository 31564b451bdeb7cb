import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';

/**
 * Reads sections, functions and needed libraries of ELF files: 64 bits, little-endian, as on the
 * supported machines (System V ABI, chapters 4 and 5).
 */
export interface ElfFile {
  /** Functions defined in the file. */
  readonly functions: ReadonlySet<string>;
  /** Names of the shared libraries that the loader maps with the file. */
  readonly needed: readonly string[];
}

/** A longer section is refused: a section is read into memory as a whole. */
const SECTION_BYTES_MAX = 64 * 1024 * 1024;
const HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const DYNAMIC_BYTES = 16;

const SectionType = { symbols: 2, dynamic: 6, dynamicSymbols: 11 } as const;
const DT_NEEDED = 1;
const STT_FUNC = 2;

interface Section {
  /** Offset in the section of section names. */
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Number of the section with its strings. */
  readonly link: number;
}

interface OpenElf {
  readonly sections: readonly Section[];
  /** Number of the section with section names. */
  readonly names: number;
  contentOf(section: Section): Buffer;
}

/** `wanted`: the functions to look for. */
export function readElf(path: string, wanted: readonly string[]): ElfFile {
  return inElf(path, ({ sections, contentOf }) => {
    const functions = new Set<string>();
    const needed: string[] = [];
    for (const section of sections) {
      const strings = sections[section.link];
      if (strings === undefined) continue;
      if (section.type === SectionType.symbols || section.type === SectionType.dynamicSymbols) {
        addFunctions(contentOf(section), contentOf(strings), wanted, functions);
      } else if (section.type === SectionType.dynamic) {
        addNeeded(contentOf(section), contentOf(strings), needed);
      }
    }
    return { functions, needed };
  });
}

/** The content of a section; undefined: the file has no section of this name. */
export function readSection(path: string, wanted: string): Buffer | undefined {
  return inElf(path, ({ sections, names, contentOf }) => {
    const strings = sections[names];
    if (strings === undefined) return undefined;
    const texts = contentOf(strings);
    const section = sections.find(({ name }) => textAt(texts, name) === wanted);
    return section === undefined ? undefined : contentOf(section);
  });
}

function inElf<T>(path: string, use: (file: OpenElf) => T): T {
  const fd = openSync(path, 'r');
  try {
    const sizeBytes = fstatSync(fd).size;
    const read = (offset: number, length: number): Buffer => {
      if (length > SECTION_BYTES_MAX || offset + length > sizeBytes) throw malformed(path);
      const bytes = Buffer.alloc(length);
      if (readSync(fd, bytes, 0, length, offset) !== length) throw malformed(path);
      return bytes;
    };
    const header = read(0, HEADER_BYTES);
    // Magic, 64 bits, little endian.
    if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
      throw malformed(path);
    }
    const table = read(
      Number(header.readBigUInt64LE(40)),
      header.readUInt16LE(60) * SECTION_HEADER_BYTES,
    );
    return use({
      sections: sectionsOf(table),
      names: header.readUInt16LE(62),
      contentOf: (section) => read(section.offset, section.sizeBytes),
    });
  } finally {
    closeSync(fd);
  }
}

function sectionsOf(table: Buffer): readonly Section[] {
  return Array.from({ length: table.length / SECTION_HEADER_BYTES }, (_, index): Section => {
    const at = index * SECTION_HEADER_BYTES;
    return {
      name: table.readUInt32LE(at),
      type: table.readUInt32LE(at + 4),
      offset: Number(table.readBigUInt64LE(at + 24)),
      sizeBytes: Number(table.readBigUInt64LE(at + 32)),
      link: table.readUInt32LE(at + 40),
    };
  });
}

/** Adds defined functions. The table also lists imported ones, with section 0. */
function addFunctions(
  symbols: Buffer,
  strings: Buffer,
  wanted: readonly string[],
  into: Set<string>,
): void {
  for (let at = 0; at + SYMBOL_BYTES <= symbols.length; at += SYMBOL_BYTES) {
    if ((symbols[at + 4]! & 0xf) !== STT_FUNC || symbols.readUInt16LE(at + 6) === 0) continue;
    const name = textAt(strings, symbols.readUInt32LE(at));
    if (wanted.includes(name)) into.add(name);
  }
}

function addNeeded(entries: Buffer, strings: Buffer, into: string[]): void {
  for (let at = 0; at + DYNAMIC_BYTES <= entries.length; at += DYNAMIC_BYTES) {
    if (entries.readBigUInt64LE(at) !== BigInt(DT_NEEDED)) continue;
    into.push(textAt(strings, Number(entries.readBigUInt64LE(at + 8))));
  }
}

function textAt(strings: Buffer, at: number): string {
  const end = strings.indexOf(0, at);
  return strings.toString('latin1', at, end < 0 ? strings.length : end);
}

function malformed(path: string): NetobservError {
  return new NetobservError(
    AGENT_ERRORS.elf,
    `${path} is not a 64-bit, little-endian ELF file, or it is cut short`,
    { details: { path } },
  );
}
