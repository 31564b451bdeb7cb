import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readElf } from '../../../../src/agent/loader/elf.ts';
import { hasCode } from '../../../../src/base/errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-elf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER_BYTES = 64;

interface Symbol {
  readonly name: string;
  readonly type?: number;
  /** 0: imported. */
  readonly section?: number;
}

/** A file of just the sections that are looked at. */
function elf(symbols: readonly Symbol[], needed: readonly string[]): Buffer {
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

function read(bytes: Uint8Array): ReturnType<typeof readElf> {
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  return readElf(path, ['SSL_read', 'SSL_write']);
}

describe('ELF files', () => {
  const file = elf(
    [
      { name: 'SSL_read' },
      { name: 'SSL_write', section: 0 },
      { name: 'SSL_write', type: 1 },
      { name: 'other' },
    ],
    ['libssl.so.3', 'libc.so.6'],
  );

  test('functions that the file holds, and the libraries that it needs', () => {
    const { functions, needed } = read(file);
    expect([...functions]).toEqual(['SSL_read']);
    expect(needed).toEqual(['libssl.so.3', 'libc.so.6']);
  });

  test('any bytes give an answer or a coded error', () => {
    const damage = fc.tuple(fc.nat(file.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 4 }), fc.nat(file.length), (changes, length) => {
        const bytes = Buffer.from(file);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          read(bytes.subarray(0, length));
        } catch (error) {
          expect(hasCode(error, 'ERR_AGENT_ELF')).toBe(true);
        }
      }),
    );
  });
});
