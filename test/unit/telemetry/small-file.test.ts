import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { RenewedFiles } from '../../../src/telemetry/renewed-files.ts';
import { readSmallFile, SMALL_FILE_MAX_BYTES } from '../../../src/telemetry/small-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'netobserv-small-'));
afterAll(() => rmSync(folder, { recursive: true }));

let fifos = 0;

function fifo(): string {
  const path = join(folder, `fifo-${fifos++}`);
  execFileSync('mkfifo', [path]);
  return path;
}

const tooLarge = expect.objectContaining({
  code: 'ERR_FILE',
  message: expect.stringContaining(`is larger than ${SMALL_FILE_MAX_BYTES} bytes`),
});

test('a file is there as a whole, up to its bound', () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'x'.repeat(SMALL_FILE_MAX_BYTES));
  expect(readSmallFile(path).length).toBe(SMALL_FILE_MAX_BYTES);
  writeFileSync(path, 'x', { flag: 'a' });
  expect(() => readSmallFile(path)).toThrow(tooLarge);
});

test('a device that never ends is refused', () => {
  expect(() => readSmallFile('/dev/zero')).toThrow(tooLarge);
});

test('a pipe that nobody has open to write to is empty', () => {
  expect(readSmallFile(fifo()).length).toBe(0);
});

test('a pipe is read to its end, however late that comes', async () => {
  const path = fifo();
  const writer = spawn('sh', [
    '-c',
    'exec 3<>"$0"; echo; echo one >&3; sleep 0.2; echo two >&3',
    path,
  ]);
  await once(writer.stdout, 'data');
  expect(readSmallFile(path).toString()).toBe('one\ntwo\n');
});

test('a pipe into which nobody writes is waited for as long as said, and no longer', () => {
  const path = fifo();
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(fd));
  for (const waitMs of [0, 30]) {
    expect(() => readSmallFile(path, waitMs)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`for ${waitMs} ms`) }),
    );
  }
});

test('a renewed file that has become such a pipe leaves the old contents in place', () => {
  const path = join(folder, 'token');
  writeFileSync(path, 'old');
  const refused: unknown[] = [];
  const files = new RenewedFiles([path], ([content]) => content, {
    renewed: () => undefined,
    refused: (error) => refused.push(error),
  });
  rmSync(path);
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  onTestFinished(() => closeSync(fd));
  expect(files.current()).toBe('old');
  expect(refused).toHaveLength(1);
});
