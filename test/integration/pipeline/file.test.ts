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

describe.each(['file', 'file_chunks', 'file_loop'])('%s', (type) => {
  test('decoder: lines of JSON; loop and chunks change nothing', async () => {
    writeFileSync(path, lines(0, 250));
    const made = bed(type, { decoder: { type: 'json' }, loop: true, chunks: 7 });
    await made.pipeline.start(new AbortController().signal);
    await expect.poll(() => made.bytes().length, { timeout: 10_000 }).toBe(250);
    await made.pipeline.stop();
    expect(made.bytes()).toEqual(numbers(250));
  });

  test('follow: what is appended', async () => {
    writeFileSync(path, lines(0, 2));
    const made = bed(type, { follow: true });
    await made.pipeline.start(new AbortController().signal);
    await expect.poll(() => made.bytes().length, { timeout: 10_000 }).toBe(2);
    appendFileSync(path, lines(2, 4));
    await expect.poll(() => made.bytes().length, { timeout: 10_000 }).toBe(4);
    await made.pipeline.stop();
  });

  test('protobuf has no lines', () => {
    expect(() => bed(type, { decoder: { type: 'protobuf' } })).toThrow(
      `parameters[0].ingest.${type}.decoder.type: "protobuf" is not allowed here`,
    );
  });
});

test('file_loop begins again after ten seconds', async () => {
  writeFileSync(path, lines(0, 3));
  const { pipeline, clock, stores } = sourcePipeline({
    type: 'file_loop',
    file_loop: { filename: path },
  });
  const hasRead = (count: number, stepMs: number) =>
    expect
      .poll(() => {
        clock.jump(stepMs);
        return stores.a.rows.length;
      })
      .toBe(count);
  await pipeline.start(new AbortController().signal);
  await hasRead(3, 1);
  const startMs = clock.monotonicMs();
  await hasRead(6, 500);
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(9500);
  await pipeline.stop();
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
