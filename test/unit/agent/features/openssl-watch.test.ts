import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIBRARY_PERIOD_MS, LibraryWatch } from '../../../../src/agent/features/openssl-watch.ts';

let folder: string;
let nowMs: number;
let told: string[];
let watch: LibraryWatch;

const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'libssl-'));
  nowMs = 0;
  told = [];
  writeFileSync(at('libssl.so.3.1'), 'old');
  writeFileSync(at('libssl.so.3.2'), 'new');
  symlinkSync('libssl.so.3.1', at('libssl.so.3'));
  watch = new LibraryWatch(at('libssl.so.3'), {
    clock: { monotonicMs: () => nowMs },
    log: { warn: () => told.push('warn'), info: () => told.push('info') },
    metrics: { error: (...labels) => told.push(labels.join(' ')) },
  });
});
afterEach(() => rmSync(folder, { recursive: true }));

const later = (): void => {
  nowMs += LIBRARY_PERIOD_MS;
  watch.look();
};

function pointTo(name: string): void {
  symlinkSync(name, at('next'));
  renameSync(at('next'), at('libssl.so.3'));
}

const REPLACED = ['openssl LibraryReplaced medium', 'warn'];

test('a library that is replaced is told once, and that it is back', () => {
  later();
  expect(told).toEqual([]);
  pointTo('libssl.so.3.2');
  watch.look();
  expect(told).toEqual([]);
  later();
  later();
  expect(told).toEqual(REPLACED);
  pointTo('libssl.so.3.1');
  later();
  expect(told).toEqual([...REPLACED, 'info']);
});

test('so is one whose file is renamed over, as package managers do, or removed', () => {
  renameSync(at('libssl.so.3.2'), at('libssl.so.3.1'));
  later();
  expect(told).toEqual(REPLACED);
  rmSync(at('libssl.so.3.1'));
  later();
  expect(told).toEqual([...REPLACED, ...REPLACED]);
});

test('a file that is written to in place, or touched, stays the one that is watched', () => {
  writeFileSync(at('libssl.so.3.1'), 'other');
  later();
  expect(told).toEqual([]);
});
