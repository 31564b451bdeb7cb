import { createHash, hash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { explain, hasCode, NetobservError } from '../base/errors.ts';
import { makeFolder } from '../config/folders.ts';
import { COMMAND_ERRORS } from './errors.ts';
import {
  DRAFT_INFIX,
  MANIFEST_FILE,
  type PackedManifest,
  removeUnpacked,
  removeUnused,
} from './unpacked.ts';

export interface UnpackDeps {
  readonly manifest: PackedManifest;
  /** Makes this build's folder in the given one: `writeBuild`, here or in a child process. */
  readonly write: (folder: string) => void;
  /** Tried in this order. */
  readonly folders: readonly string[];
  readonly uid: number;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/**
 * Writes the given files of the executable to disk, and returns the path of the first.
 *
 * They are loaded into a process usually run by root, so the folder must belong to this user (or to
 * root) and be writable by nobody else, and the files' hashes are compared before every use. A
 * folder appears complete or not at all (rename), so any number of processes may start at once.
 */
export function unpackedFiles(paths: readonly string[], deps: UnpackDeps): string {
  const refusals: string[] = [];
  for (const folder of deps.folders) {
    try {
      const owner = prepare(folder);
      const build = join(folder, deps.manifest.id);
      // Before the check: a marked build is not removed during it.
      markUsed(build, deps.clock.nowMs());
      const isThere = intact(build, paths, deps.manifest);
      // Root may have filled it beforehand, for other users.
      const isTrusted = owner === deps.uid || (owner === 0 && isThere);
      if (!isTrusted) throw new Error(`belongs to user ${owner}`);
      if (!isThere) {
        removeUnused(folder, deps.manifest.id, deps.clock.nowMs());
        deps.write(folder);
      }
      // A file system mounted noexec refuses this, even for root.
      accessSync(join(build, paths[0]!), constants.X_OK);
      return join(build, paths[0]!);
    } catch (error) {
      refusals.push(`${folder} (${explain(error)})`);
    }
  }
  throw new NetobservError(
    COMMAND_ERRORS.assetCache,
    `no folder to unpack the program's libraries into: ${refusals.join('; ')}`,
    { details: { next: 'Set NETOBSERV_CACHE_DIR to a private folder that may hold executables.' } },
  );
}

/** Marks a build as in use. */
export function markUsed(build: string, nowMs: number): void {
  try {
    utimesSync(build, nowMs / 1000, nowMs / 1000);
  } catch {
    // Missing, or read-only, where nobody removes builds either.
  }
}

/** Makes the folder if it is missing; returns its owner. */
function prepare(folder: string): number {
  makeFolder(folder, 0o700);
  const { mode, uid: owner } = lstatSync(folder);
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR) throw new Error('not a folder');
  if ((mode & 0o022) !== 0) throw new Error('others may write to it');
  return owner;
}

function intact(build: string, paths: readonly string[], manifest: PackedManifest): boolean {
  const wanted = new Map(manifest.files.map((file) => [file.path, file.sha256]));
  return paths.every((path) => {
    try {
      return hashOfFile(join(build, path)) === wanted.get(path);
    } catch {
      return false;
    }
  });
}

const HASH_CHUNK_BYTES = 1 << 20;

// Reads in pieces: the database's library would otherwise stay in memory at its full 70 MB.
function hashOfFile(path: string): string {
  const sum = createHash('sha256');
  const chunk = new Uint8Array(HASH_CHUNK_BYTES);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    for (;;) {
      const length = readSync(fd, chunk);
      if (length === 0) return sum.digest('hex');
      sum.update(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** Writes all files, and moves them into place in one step. */
export function writeBuild(
  folder: string,
  manifest: PackedManifest,
  read: (path: string) => Uint8Array,
): void {
  const build = join(folder, manifest.id);
  // A unique name: processes of several containers share a folder, and may have equal process ids.
  const draft = mkdtempSync(`${build}${DRAFT_INFIX}`);
  try {
    // First: without the manifest, the rest could not be identified as ours.
    writeFileSync(join(draft, MANIFEST_FILE), JSON.stringify(manifest), { mode: 0o600 });
    for (const { path, sha256 } of manifest.files) {
      const bytes = read(path);
      if (hash('sha256', bytes) !== sha256) {
        throw new NetobservError(COMMAND_ERRORS.asset, `${path} in the executable is damaged`);
      }
      const target = join(draft, path);
      makeFolder(dirname(target), 0o700);
      writeFileSync(target, bytes, { mode: 0o700, flush: true });
    }
    putInPlace(draft, build, manifest);
  } finally {
    removeUnpacked(draft);
  }
}

/** Other processes starting now may put their files in place between any two steps here. */
const PLACE_ATTEMPTS_MAX = 16;

function putInPlace(draft: string, build: string, manifest: PackedManifest): void {
  const paths = manifest.files.map(({ path }) => path);
  for (let attempt = 0; attempt < PLACE_ATTEMPTS_MAX; attempt++) {
    try {
      renameSync(draft, build);
      return;
    } catch (error) {
      if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error;
    }
    // Another process was faster, with the same bytes.
    if (intact(build, paths, manifest)) return;
    setAside(build);
  }
  throw new Error(`${build} keeps being damaged`);
}

/** Moves a build that failed the check aside. Only files of ours are removed from it. */
function setAside(build: string): void {
  const aside = mkdtempSync(`${build}${DRAFT_INFIX}`);
  try {
    renameSync(build, aside);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  removeUnpacked(aside);
}
