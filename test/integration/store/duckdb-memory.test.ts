import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../support/store/duckdb-store.ts';

const MIB = 1024 ** 2;

/** Output of a child that measures itself, as JSON. */
async function measured<T>(child: string, folder: string): Promise<T> {
  const script = join(import.meta.dirname, '../../support/store', child);
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', script, folder]);
  return JSON.parse(stdout);
}

test('quantiles by conversation keep to the budget, and cancelled ones give it back', async () => {
  using folder = temporaryFolder();
  const found = await measured<Record<string, number>>('store-query-child.ts', folder.path);
  expect(found.series).toBe(100);
  // The limit that the child sets, plus the memory of the allocator, libraries and answers: with
  // all values kept instead of histograms it was a gigabyte.
  const limitBytes = 96 * MIB + 192 * MIB;
  expect(found.peak! - found.filled!).toBeLessThan(limitBytes);
  expect(found.after! - found.filled!).toBeLessThan(limitBytes);
  expect(found.spilled).toBeLessThanOrEqual(1024 * MIB);
  expect(found.slowestCancelMs).toBeLessThan(1000);
}, 180_000);

test('memory does not grow with what is kept', async () => {
  using folder = temporaryFolder();
  const { residentBytes, durable } = await measured<{
    readonly residentBytes: readonly number[];
    readonly durable: number;
  }>('store-fill-child.ts', folder.path);
  expect(durable).toBeGreaterThanOrEqual(6_000_000);
  // The file is reopened at every other million: the test compares minima with minima.
  const [first, , last] = [0, 2, 4].map((at) => Math.min(...residentBytes.slice(at, at + 2)));
  const millions = residentBytes.length - 2;
  expect((last! - first!) / millions).toBeLessThan(4 * MIB);
}, 180_000);
