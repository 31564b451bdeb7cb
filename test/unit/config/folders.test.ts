import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolder } from '../../../src/config/folders.ts';

function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'netobserv-folders-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('makes what is missing, with the mode, and leaves what is there', () => {
  const path = join(scratch(), 'a', 'b');

  makeFolder(path, 0o750);
  makeFolder(path, 0o700);

  expect(statSync(path).mode & 0o777).toBe(0o750);
});

test('a place that takes no folders is an error, not an endless search for a parent', () => {
  expect(() => makeFolder('/proc/nowhere/data', 0o750)).toThrow(/ENOENT/);
});

test('a file in the way is an error', () => {
  const file = join(scratch(), 'file');
  writeFileSync(file, '');

  expect(() => makeFolder(join(file, 'data'), 0o750)).toThrow(/EEXIST|ENOTDIR/);
});
