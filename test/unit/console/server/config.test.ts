import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadToken } from '../../../../src/console/server/config.ts';

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
