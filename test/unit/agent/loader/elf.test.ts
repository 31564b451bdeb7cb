import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readElf } from '../../../../src/agent/loader/elf.ts';
import { buildElf } from '../../../support/kernel/elf-builder.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-elf-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(bytes: Uint8Array): ReturnType<typeof readElf> {
  const path = join(folder, 'file');
  writeFileSync(path, bytes);
  return readElf(path, ['SSL_read', 'SSL_write']);
}

describe('ELF files', () => {
  const file = buildElf(
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
});
