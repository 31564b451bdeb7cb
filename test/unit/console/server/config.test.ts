import {
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { makeTokenFile, watchToken } from '../../../../src/console/server/config.ts';

const base = mkdtempSync(join(tmpdir(), 'console-token-'));
afterAll(() => rmSync(base, { recursive: true }));

function fileWith(content: string): string {
  const path = join(mkdtempSync(join(base, 'case-')), 'token');
  writeFileSync(path, content);
  return path;
}

function watched(path: string) {
  const told: unknown[] = [];
  const report = {
    renewed: () => told.push('renewed'),
    refused: (error: unknown) => told.push(error),
  };
  return { token: watchToken(path, report), told };
}

const TOKEN = '0123456789abcdef';

test('a token is the file’s only line', () => {
  expect(watched(fileWith(`${TOKEN}\n`)).token()).toBe(TOKEN);
});

test.each([
  ['short', 'too-short\n'],
  ['empty', ''],
  ['two lines', '0123456789abcdef\n0123456789abcdef\n'],
  ['spaces', '0123456789 abcdef\n'],
])('a token that is %s is refused without being shown', (_why, content) => {
  let failure: unknown;
  try {
    watched(fileWith(content));
  } catch (error) {
    failure = error;
  }
  expect(failure).toMatchObject({ code: 'ERR_CONSOLE_TOKEN_FILE' });
  expect((failure as Error).message).not.toContain('0123456789');
});

test('a file that is not there is named', () => {
  expect(() => watched('/nowhere/token')).toThrow(
    expect.objectContaining({
      code: 'ERR_CONSOLE_TOKEN_FILE',
      message: expect.stringContaining('/nowhere/token'),
    }),
  );
});

test('a token that is written anew counts from then on; what is no token leaves the old one', () => {
  const path = fileWith(TOKEN);
  const { token, told } = watched(path);
  writeFileSync(path, 'fedcba9876543210');
  expect(token()).toBe('fedcba9876543210');
  expect(told).toEqual(['renewed']);
  writeFileSync(path, 'short');
  expect(token()).toBe('fedcba9876543210');
  rmSync(path);
  expect(token()).toBe('fedcba9876543210');
  // Each change is reported once, not at every look.
  expect([token(), told.length]).toEqual(['fedcba9876543210', 3]);
});

test('a swapped link to the folder, as Kubernetes swaps it, is a change', () => {
  const folder = mkdtempSync(join(base, 'mount-'));
  for (const [name, content] of [
    ['..1', TOKEN],
    ['..2', 'fedcba9876543210'],
  ] as const) {
    renameSync(join(fileWith(content), '..'), join(folder, name));
  }
  symlinkSync('..1', join(folder, '..data'));
  symlinkSync('..data/token', join(folder, 'token'));
  const { token } = watched(join(folder, 'token'));
  expect(token()).toBe(TOKEN);
  symlinkSync('..2', join(folder, '..data_tmp'));
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
  expect(token()).toBe('fedcba9876543210');
});

test('a token file that is made is private, a token, and stays', () => {
  const path = join(base, 'made', 'console.token');
  makeTokenFile(path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
  const token = watched(path).token();
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  makeTokenFile(path);
  expect(readFileSync(path, 'utf8')).toBe(`${token}\n`);
});
