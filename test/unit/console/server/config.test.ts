import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadToken, parseListen } from '../../../../src/console/server/config.ts';

test.each([
  ['127.0.0.1:9001', { host: '127.0.0.1', port: 9001 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['node-1.example.org:0', { host: 'node-1.example.org', port: 0 }],
  [':9001', { host: '::', port: 9001 }],
  ['127.0.0.1', undefined],
  ['127.0.0.1:65536', undefined],
  ['1.2.3.999:1', undefined],
  ['::1:80', undefined],
  ['[::zz]:80', undefined],
  ['[1.2.3.4]:80', undefined],
  ['http://localhost:80', undefined],
  ['host:80/path', undefined],
])('%s', (text, wanted) => {
  expect(parseListen(text)).toEqual(wanted);
});

async function inFile<T>(content: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'console-token-'));
  try {
    const path = join(folder, 'token');
    await writeFile(path, content);
    return await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a token is the file’s only line', async () => {
  expect(await inFile('0123456789abcdef\n', loadToken)).toBe('0123456789abcdef');
});

test.each([
  ['short', 'too-short\n'],
  ['empty', ''],
  ['two lines', '0123456789abcdef\n0123456789abcdef\n'],
  ['spaces', '0123456789 abcdef\n'],
])('a token that is %s is refused without being shown', async (_why, content) => {
  const failure = inFile(content, loadToken);
  await expect(failure).rejects.toMatchObject({ code: 'ERR_CONSOLE_TOKEN_FILE' });
  await expect(failure).rejects.not.toMatchObject({
    message: expect.stringContaining('0123456789'),
  });
});

test('a file that is not there is named', async () => {
  await expect(loadToken('/nowhere/token')).rejects.toMatchObject({
    code: 'ERR_CONSOLE_TOKEN_FILE',
    message: expect.stringContaining('/nowhere/token'),
  });
});
