import { createHash, hash } from 'node:crypto';
import {
  accessSync,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { explain, NetobservError } from '../base/errors.ts';
import { makeFolder } from '../config/folders.ts';
import { CommandError } from './errors.ts';

/** What the executable carries. */
export interface PackedManifest {
  /** Hash of all that follows: equal builds share a folder. */
  readonly id: string;
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

export interface UnpackDeps {
  readonly manifest: PackedManifest;
  /** Makes the folder of this build inside of the given one: `writeBuild`, or a way to it. */
  readonly write: (folder: string) => void;
  /** Tried in this order. */
  readonly folders: readonly string[];
  readonly uid: number;
  readonly clock: Pick<Clock, 'nowMs'>;
}

/** Builds that nobody started for this long are removed when another one is unpacked. */
const UNUSED_BUILD_MS = 7 * 24 * 3_600_000;

/**
 * Makes the given files of the executable real, and returns the path of the first.
 *
 * They are loaded into a process that is usually root's, so the folder must belong to this user
 * and be writable by nobody else, and the files' hashes are compared before every use. A folder
 * appears complete or not at all (rename), so two processes may start at once.
 */
export function unpackedFiles(paths: readonly string[], deps: UnpackDeps): string {
  const refusals: string[] = [];
  for (const folder of deps.folders) {
    try {
      prepare(folder, deps.uid);
      const build = join(folder, deps.manifest.id);
      if (!intact(build, paths, deps.manifest)) {
        removeUnused(folder, build, deps);
        deps.write(folder);
      }
      // A file system that is mounted noexec refuses here, also for root.
      accessSync(join(build, paths[0]!), constants.X_OK);
      const now = deps.clock.nowMs() / 1000;
      utimesSync(build, now, now);
      return join(build, paths[0]!);
    } catch (error) {
      refusals.push(`${folder} (${explain(error)})`);
    }
  }
  throw new NetobservError(
    CommandError.cache,
    `no folder to unpack the program's libraries into: ${refusals.join('; ')}`,
    { details: { next: 'Set NETOBSERV_CACHE_DIR to a private folder that may hold executables.' } },
  );
}

function prepare(folder: string, uid: number): void {
  makeFolder(folder, 0o700);
  const { mode, uid: owner } = lstatSync(folder);
  if ((mode & constants.S_IFMT) !== constants.S_IFDIR) throw new Error('not a folder');
  if (owner !== uid) throw new Error(`belongs to user ${owner}`);
  if ((mode & 0o022) !== 0) throw new Error('others may write to it');
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

// In pieces: the database's library would otherwise stay in memory at its full 70 MB.
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

/** Writes all files, and puts them in their place in one step. */
export function writeBuild(
  folder: string,
  manifest: PackedManifest,
  read: (path: string) => Uint8Array,
): void {
  const build = join(folder, manifest.id);
  const draft = `${build}.${process.pid}`;
  try {
    for (const { path, sha256 } of manifest.files) {
      const bytes = read(path);
      if (hash('sha256', bytes) !== sha256) {
        throw new NetobservError(CommandError.asset, `${path} in the executable is damaged`);
      }
      const target = join(draft, path);
      makeFolder(dirname(target), 0o700);
      writeFileSync(target, bytes, { mode: 0o700, flush: true });
    }
    // Whatever is there failed the check, unless another process was faster with the same bytes.
    rmSync(build, { recursive: true, force: true });
    renameSync(draft, build);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

function removeUnused(folder: string, build: string, deps: UnpackDeps): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const unusedMs = deps.clock.nowMs() - statSync(path).mtimeMs;
    if (path !== build && unusedMs > UNUSED_BUILD_MS)
      rmSync(path, { recursive: true, force: true });
  }
}
