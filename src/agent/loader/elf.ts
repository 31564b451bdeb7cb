import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { NetobservError } from '../../base/errors.ts';
import { AGENT_ERRORS } from '../errors.ts';

/**
 * The little of ELF that tells which functions a file has and which libraries it needs (System V
 * ABI, 64 bits, little endian: what the executable is made for).
 */
export interface ElfFile {
  /** Functions that the file itself holds. */
  readonly functions: ReadonlySet<string>;
  /** Names of the shared libraries that the loader brings in beside it. */
  readonly needed: readonly string[];
}

/** Tables longer than this are no symbol tables. */
const TABLE_BYTES_MAX = 64 * 1024 * 1024;
const HEADER_BYTES = 64;
const SECTION_BYTES = 64;
const SYMBOL_BYTES = 24;
const DYNAMIC_BYTES = 16;

const SectionType = { symbols: 2, dynamic: 6, dynamicSymbols: 11 } as const;
const DT_NEEDED = 1;
const STT_FUNC = 2;

interface Section {
  readonly type: number;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Number of the section with its strings. */
  readonly link: number;
}

/** Of the functions, only those that are asked for are looked for. */
export function readElf(path: string, wanted: readonly string[]): ElfFile {
  const fd = openSync(path, 'r');
  try {
    const sizeBytes = fstatSync(fd).size;
    const read = (offset: number, length: number): Buffer => {
      if (length > TABLE_BYTES_MAX || offset + length > sizeBytes) throw malformed(path);
      const bytes = Buffer.alloc(length);
      if (readSync(fd, bytes, 0, length, offset) !== length) throw malformed(path);
      return bytes;
    };
    return decode(path, read, wanted);
  } finally {
    closeSync(fd);
  }
}

type Read = (offset: number, length: number) => Buffer;

function decode(path: string, read: Read, wanted: readonly string[]): ElfFile {
  const header = read(0, HEADER_BYTES);
  // Magic, 64 bits, little endian.
  if (header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
    throw malformed(path);
  }
  const sections = readSections(header, read);
  const functions = new Set<string>();
  const needed: string[] = [];
  for (const section of sections) {
    const strings = sections[section.link];
    if (strings === undefined) continue;
    if (section.type === SectionType.symbols || section.type === SectionType.dynamicSymbols) {
      addFunctions(contentOf(section, read), contentOf(strings, read), wanted, functions);
    } else if (section.type === SectionType.dynamic) {
      addNeeded(contentOf(section, read), contentOf(strings, read), needed);
    }
  }
  return { functions, needed };
}

function readSections(header: Buffer, read: Read): readonly Section[] {
  const count = header.readUInt16LE(60);
  const table = read(Number(header.readBigUInt64LE(40)), count * SECTION_BYTES);
  return Array.from({ length: count }, (_, index): Section => {
    const at = index * SECTION_BYTES;
    return {
      type: table.readUInt32LE(at + 4),
      offset: Number(table.readBigUInt64LE(at + 24)),
      sizeBytes: Number(table.readBigUInt64LE(at + 32)),
      link: table.readUInt32LE(at + 40),
    };
  });
}

function contentOf({ offset, sizeBytes }: Section, read: Read): Buffer {
  return read(offset, sizeBytes);
}

/** Defined ones: what a file imports is in its table, too, with section 0. */
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
    `${path} is no 64-bit, little-endian ELF file, or is cut short`,
    { details: { path } },
  );
}
