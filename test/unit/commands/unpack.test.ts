import { execFile, spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { COMMAND_ERRORS } from '../../../src/commands/errors.ts';
import { type UnpackDeps, unpackedFiles, writeBuild } from '../../../src/commands/unpack.ts';
import { buildId, type PackedFile } from '../../../src/commands/unpacked.ts';

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

const FILES = Object.entries(CONTENTS).map(([path, text]) => ({
  path,
  sha256: hash('sha256', text),
}));
const MANIFEST = { id: buildId(FILES), files: FILES };

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
  expect(path).toBe(join(folder, MANIFEST.id, 'native/a.node'));
  for (const [name, text] of Object.entries(CONTENTS)) {
    expect(readFileSync(join(folder, MANIFEST.id, name), 'utf8')).toBe(text);
  }
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(readdirSync(folder)).toEqual([MANIFEST.id]);
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
  const library = join(folder, MANIFEST.id, 'native/liba.so');
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
      code: COMMAND_ERRORS.assetCache.code,
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

/** A folder with another of our builds: files with the given contents and age. */
function otherBuild(files: Readonly<Record<string, string>>, ageDays: number, infix = ''): string {
  const packed: PackedFile[] = Object.entries(files).map(([path, text]) => ({
    path,
    sha256: hash('sha256', text),
  }));
  const manifest = { id: buildId(packed), files: packed };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeBuild(folder, manifest, (path) => Buffer.from(files[path]!));
  const path = join(folder, manifest.id + infix);
  if (infix !== '') renameSync(join(folder, manifest.id), path);
  age(path, ageDays);
  return manifest.id + infix;
}

function age(path: string, days: number): void {
  const time = (NOW_MS - days * DAY_MS) / 1000;
  utimesSync(path, time, time);
}

test('builds that were not used for a week are removed, others are kept', () => {
  otherBuild({ 'native/a.node': 'of long ago', 'web/assets/x.js': '1' }, 8);
  otherBuild({ 'native/a.node': 'left by a crash' }, 8, '.draft-a1B2c3');
  const recent = otherBuild({ 'native/a.node': 'of last week' }, 6);
  unpackedFiles(LIBRARIES, deps());
  expect(readdirSync(folder).sort()).toEqual([MANIFEST.id, recent].sort());
});

test('nothing that is not ours is removed, however old it is and whatever its name', () => {
  const foreign = ['photos', '.ssh', '0123456789abcdef0123456789abcdef', `${MANIFEST.id}.draft-x`];
  for (const name of foreign) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'kept'), 'x');
    age(join(folder, name), 900);
  }
  // A manifest of another build, and one that leads out of its folder.
  const outside = [{ path: '../notes.txt', sha256: hash('sha256', 'x') }];
  for (const [id, files] of [
    ['f'.repeat(32), FILES] as const,
    [buildId(outside), outside] as const,
  ]) {
    mkdirSync(join(folder, id));
    writeFileSync(join(folder, id, 'manifest.json'), JSON.stringify({ id, files }));
    age(join(folder, id), 900);
    foreign.push(id);
  }
  writeFileSync(join(folder, 'notes.txt'), 'x');
  symlinkSync('/nowhere', join(folder, 'link'));
  symlinkSync(join(folder, 'photos'), join(folder, 'e'.repeat(32)));
  chmodSync(folder, 0o700);
  unpackedFiles(LIBRARIES, deps());

  const left = [...foreign, 'notes.txt', 'link', 'e'.repeat(32), MANIFEST.id];
  expect(readdirSync(folder).sort()).toEqual(left.sort());
  for (const name of foreign.slice(0, 4)) {
    expect(readFileSync(join(folder, name, 'kept'), 'utf8')).toBe('x');
  }
});

test('what somebody put into an old build of ours stays', () => {
  const old = otherBuild({ 'native/a.node': 'of long ago', 'web/x.js': '1' }, 8);
  writeFileSync(join(folder, old, 'native/mine'), 'x');
  age(join(folder, old), 8);
  unpackedFiles(LIBRARIES, deps());
  expect(readdirSync(join(folder, old), { recursive: true }).sort()).toEqual([
    'native',
    'native/mine',
  ]);
});

test('an old build from which a process has loaded is kept', () => {
  const sleep = readFileSync('/bin/sleep');
  const sha256 = hash('sha256', sleep);
  const files = [{ path: 'native/sleep', sha256 }];
  const id = buildId(files);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeBuild(folder, { id, files }, () => sleep);
  const child = spawn(join(folder, id, 'native/sleep'), ['60'], { stdio: 'ignore' });
  try {
    age(join(folder, id), 30);
    unpackedFiles(LIBRARIES, deps());
    expect(readdirSync(folder)).toContain(id);
  } finally {
    child.kill();
  }
});

test('a folder that was filled beforehand may be read-only, and root’s', () => {
  unpackedFiles(LIBRARIES, deps());
  age(join(folder, MANIFEST.id), 30);
  chmodSync(join(folder, MANIFEST.id), 0o500);
  const write = (): never => {
    throw new Error('written again');
  };
  expect(unpackedFiles(LIBRARIES, deps({ write }))).toContain('a.node');
  if (process.getuid!() !== 0) return;
  expect(unpackedFiles(LIBRARIES, deps({ write, uid: 1000 }))).toContain('a.node');
});

test('of many that unpack at the same time, each finds everything in its place', async () => {
  mkdirSync(folder, { mode: 0o700, recursive: true });
  const script = `
    import { unpackedFiles, writeBuild } from './src/commands/unpack.ts';
    const [folder, manifest] = process.argv.slice(1);
    const { id, files } = JSON.parse(manifest);
    const read = (path) => Buffer.from(path.repeat(2_000));
    const write = (into) => writeBuild(into, { id, files }, read);
    const clock = { nowMs: () => Date.now() };
    const uid = process.getuid();
    const deps = { manifest: { id, files }, write, folders: [folder], uid, clock };
    unpackedFiles(files.map(({ path }) => path), deps);`;
  // Large enough that writing takes a while, so that the starts overlap.
  const files = Array.from({ length: 60 }, (_, i) => {
    const path = `web/${i}.js`;
    return { path, sha256: hash('sha256', path.repeat(2_000)) };
  });
  const manifest = JSON.stringify({ id: buildId(files), files });
  const args = ['--input-type=module', '-e', script, folder, manifest];
  const runs = Array.from({ length: 8 }, () => promisify(execFile)(process.execPath, args));
  const results = await Promise.allSettled(runs);
  expect(results.filter(({ status }) => status === 'rejected')).toEqual([]);
  expect(readdirSync(folder)).toEqual([buildId(files)]);
});
