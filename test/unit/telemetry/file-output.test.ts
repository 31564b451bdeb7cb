import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { FileOutput, isRefusal } from '../../../src/telemetry/file-output.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-output-'));
afterAll(() => rmSync(folder, { recursive: true }));

const put = (output: FileOutput, chunk: Uint8Array | string): Promise<Error | undefined> =>
  new Promise((resolve) => {
    output.write(chunk, (error) => resolve(error ?? undefined));
  });

/** A file with room for this many bytes until the test makes more: a pipe that never waits. */
function smallFile(): { readonly fd: number; readonly read: () => string } & Disposable {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const read = (): string => {
    let text = '';
    const chunk = Buffer.alloc(1 << 20);
    try {
      for (;;) text += chunk.toString('latin1', 0, readSync(fd, chunk));
    } catch {
      // Empty.
      return text;
    }
  };
  return { fd, read, [Symbol.dispose]: () => closeSync(fd) };
}

test('what found no room may be written later, and no line is in two pieces', async () => {
  using file = smallFile();
  const output = new FileOutput(file.fd);
  const long = Buffer.from(`${'a'.repeat(200_000)}\n`);
  const refused = await put(output, long);
  expect(isRefusal(refused)).toBe(true);
  expect(refused).toMatchObject({ retryable: true });
  // Still full: it takes neither the rest nor anything else.
  expect(isRefusal(await put(output, long))).toBe(true);
  expect(isRefusal(await put(output, 'b\n'))).toBe(true);

  let text = file.read();
  let tries = 0;
  while ((await put(output, long)) !== undefined && tries++ < 10) text += file.read();
  text += file.read();
  expect(await put(output, 'c\n')).toBeUndefined();
  expect(text + file.read()).toBe(`${long.toString()}c\n`);
});

test('an error that nobody waits for is emitted, and is not the end', () => {
  const fd = openSync('/dev/full', 'w');
  const output = new FileOutput(fd);
  const errors: Error[] = [];
  output.on('error', (error) => errors.push(error));
  output.write('one\n');
  output.write('two\n');
  closeSync(fd);
  expect(errors.map(isRefusal)).toEqual([true, true]);
  expect(output.destroyed).toBe(false);
});
