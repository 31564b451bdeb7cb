import {
  appendFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { runToEnd, sourcePipeline } from '../../support/models/interpreter/source-pipeline.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'netobserv-file-'));
  path = join(folder, 'flows.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => `{"Bytes":${from + index}}\n`).join('');
}

function bed(type = 'file', options: Readonly<Record<string, unknown>> = {}) {
  const made = sourcePipeline(
    { type, [type]: { filename: path, ...options } },
    { clock: systemClock },
  );
  return { ...made, bytes: () => made.stores.a.rows.map(({ Bytes }) => Number(Bytes)) };
}

function numbers(to: number): readonly number[] {
  return Array.from({ length: to }, (_, index) => index);
}

describe('a file is read once', () => {
  const text = lines(0, 150_000);
  test.each([
    ['as it is', Buffer.from(text)],
    ['compressed by gzip', gzipSync(text)],
    ['compressed by zstd', zstdCompressSync(text)],
    [
      'compressed in two parts',
      Buffer.concat([gzipSync(lines(0, 9)), gzipSync(lines(9, 150_000))]),
    ],
  ])('%s', async (_how, bytes) => {
    writeFileSync(path, bytes);
    const { bytes: read, ...made } = bed();
    await runToEnd(made);
    expect(read()).toEqual(numbers(150_000));
  });

  test('nothing is in it', async () => {
    writeFileSync(path, '');
    const made = bed('file_chunks');
    await runToEnd(made);
    expect(made.bytes()).toEqual([]);
  });
});

test('a file that is not there is a mistake of the configuration', async () => {
  await expect(runToEnd(bed())).rejects.toThrow(
    `parameters[0].ingest.file.filename: cannot read ${path}`,
  );
});

test('the flows before the damage arrive, and the end is a failure', async () => {
  const whole = gzipSync(lines(0, 100_000));
  writeFileSync(path, whole.subarray(0, whole.length / 2));
  const made = bed();
  await expect(runToEnd(made)).rejects.toThrow(`${path} is damaged`);
  const read = made.bytes();
  expect(read.length).toBeGreaterThan(10_000);
  expect(read).toEqual(numbers(read.length));
});

test('a file that is followed: appended to, moved away, cut', async () => {
  writeFileSync(path, lines(0, 2));
  const made = bed('file', { follow: true });
  const hasRead = (count: number) =>
    expect.poll(() => made.bytes().length, { timeout: 10_000 }).toBe(count);
  await made.pipeline.start(new AbortController().signal);
  await hasRead(2);
  appendFileSync(path, '{"Bytes":');
  appendFileSync(path, `2}\n${lines(3, 5)}`);
  await hasRead(5);
  renameSync(path, `${path}.1`);
  appendFileSync(`${path}.1`, lines(5, 6));
  writeFileSync(path, lines(6, 8));
  await hasRead(8);
  truncateSync(path);
  await expect.poll(() => appendAgain(), { timeout: 10_000 }).toBe(true);
  await made.pipeline.stop();
  expect(made.bytes().slice(0, 8)).toEqual(numbers(8));

  /** Appends until the reader has seen the cut: a file that is as long again hides it. */
  function appendAgain(): boolean {
    appendFileSync(path, '{"Bytes":99}\n');
    return made.bytes().includes(99);
  }
});
