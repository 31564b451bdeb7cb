import { hash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { CommandError } from '../../../src/commands/errors.ts';
import { type UnpackDeps, unpackedFiles, writeBuild } from '../../../src/commands/unpack.ts';

const base = mkdtempSync(join(tmpdir(), 'netobserv-unpack-'));
afterAll(() => rmSync(base, { recursive: true }));

const CONTENTS: Readonly<Record<string, string>> = {
  'native/a.node': 'machine code',
  'native/liba.so': 'more of it',
  'web/index.html': '<p>',
};
const NOW_MS = 1_800_000_000_000;
const DAY_MS = 24 * 3_600_000;

let folder = '';
beforeEach(() => {
  folder = join(mkdtempSync(join(base, 'case-')), 'cache');
});

const MANIFEST = {
  id: 'build-1',
  files: Object.entries(CONTENTS).map(([path, text]) => ({ path, sha256: hash('sha256', text) })),
};

function deps(overrides: Partial<UnpackDeps> = {}): UnpackDeps {
  return {
    manifest: MANIFEST,
    write: (into) => writeBuild(into, MANIFEST, (path) => Buffer.from(CONTENTS[path]!)),
    folders: [folder],
    uid: process.getuid!(),
    clock: { nowMs: () => NOW_MS },
    ...overrides,
  };
}

const LIBRARIES = ['native/a.node', 'native/liba.so'];

test('everything is unpacked, privately, and the first path is returned', () => {
  const path = unpackedFiles(LIBRARIES, deps());
  expect(path).toBe(join(folder, 'build-1', 'native/a.node'));
  for (const [name, text] of Object.entries(CONTENTS)) {
    expect(readFileSync(join(folder, 'build-1', name), 'utf8')).toBe(text);
  }
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder)).toEqual(['build-1']);
});

test('a second start writes nothing', () => {
  unpackedFiles(LIBRARIES, deps());
  const write = (): never => {
    throw new Error('written again');
  };
  expect(unpackedFiles(LIBRARIES, deps({ write }))).toContain('a.node');
});

test.each([
  ['changed', (path: string) => writeFileSync(path, 'evil code')],
  ['cut short', (path: string) => writeFileSync(path, 'more')],
  ['gone', (path: string) => rmSync(path)],
  [
    'a link to elsewhere',
    (path: string) => {
      const elsewhere = `${path}.copy`;
      writeFileSync(elsewhere, 'more of it');
      rmSync(path);
      symlinkSync(elsewhere, path);
    },
  ],
])('a library that is %s is put right before it is loaded', (_why, damage) => {
  unpackedFiles(LIBRARIES, deps());
  const library = join(folder, 'build-1', 'native/liba.so');
  damage(library);
  unpackedFiles(LIBRARIES, deps());
  expect(readFileSync(library, 'utf8')).toBe('more of it');
  expect(statSync(library).isFile()).toBe(true);
});

test.each([
  ['others may write to it', () => chmodSync(folder, 0o777)],
  ['not a folder', () => swapFor(() => symlinkSync(base, folder))],
  ['EEXIST', () => swapFor(() => writeFileSync(folder, ''))],
])('a folder is refused when: %s', (reason, spoil) => {
  mkdirSync(folder, { recursive: true });
  spoil();
  expect(() => unpackedFiles(LIBRARIES, deps())).toThrow(
    expect.objectContaining({
      code: CommandError.cache,
      message: expect.stringContaining(reason),
    }),
  );
});

function swapFor(make: () => void): void {
  rmSync(folder, { recursive: true });
  make();
}

test('a folder of another user is refused, and the next one is taken', () => {
  const second = join(base, 'second');
  mkdirSync(second, { mode: 0o700 });
  const foreign = join(base, 'foreign');
  mkdirSync(foreign, { mode: 0o700 });
  const uid = process.getuid!();
  expect(() => unpackedFiles(LIBRARIES, deps({ folders: [foreign], uid: uid + 1 }))).toThrow(
    `belongs to user ${uid}`,
  );
  chmodSync(foreign, 0o770);
  expect(unpackedFiles(LIBRARIES, deps({ folders: [foreign, second] }))).toContain(second);
});

test('damage inside the executable is told, not unpacked', () => {
  const write = (into: string): void => writeBuild(into, MANIFEST, () => Buffer.from('other'));
  expect(() => unpackedFiles(LIBRARIES, deps({ write }))).toThrow('in the executable is damaged');
  expect(readdirSync(folder)).toEqual([]);
});

test('builds that were not used for a week are removed, others are kept', () => {
  for (const [name, ageDays] of Object.entries({ old: 8, recent: 6 })) {
    const path = join(folder, name);
    mkdirSync(path, { recursive: true });
    const time = (NOW_MS - ageDays * DAY_MS) / 1000;
    utimesSync(path, time, time);
  }
  chmodSync(folder, 0o700);
  unpackedFiles(LIBRARIES, deps());
  expect(readdirSync(folder).sort()).toEqual(['build-1', 'recent']);
});
