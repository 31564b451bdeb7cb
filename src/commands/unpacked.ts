import { hash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, rmdirSync, unlinkSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/**
 * Identifies which entries of a cache folder are ours, and removes them.
 *
 * The folder may be anybody's home, so nothing is removed recursively. An entry is ours when its
 * name is that of a build and the manifest in it has that build's hash. Of such an entry, the files
 * that the manifest names are removed, and then folders that are empty.
 */

/** Contents of the executable. */
export interface PackedManifest {
  /** Hash of everything that follows (`buildId`): equal builds share a folder. */
  readonly id: string;
  readonly files: readonly PackedFile[];
}

export interface PackedFile {
  /** Relative to the build's folder, with slashes. */
  readonly path: string;
  readonly sha256: string;
}

/** The manifest's copy in each folder of a build. */
export const MANIFEST_FILE = 'manifest.json';
/** Separates a build's id from a random suffix in the name of an incomplete or damaged folder. */
export const DRAFT_INFIX = '.draft-';
/** A manifest has some 100 files; a larger one is somebody else's. */
const MANIFEST_MAX_BYTES = 1 << 20;

/** A build unused for this long is removed when another one is unpacked. */
const UNUSED_BUILD_MS = 7 * 24 * 3_600_000;

export function buildId(files: readonly PackedFile[]): string {
  return hash('sha256', JSON.stringify(files)).slice(0, 32);
}

/** Removes our builds, other than the given one, that no process has used for a week. */
export function removeUnused(folder: string, id: string, nowMs: number): void {
  for (const name of readdirSync(folder)) {
    if (name === id || !BUILD_NAME.test(name)) continue;
    const path = join(folder, name);
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status === undefined || !status.isDirectory()) continue;
    if (nowMs - status.mtimeMs > UNUSED_BUILD_MS && !isLoaded(path)) removeUnpacked(path);
  }
}

const BUILD_NAME = /^[0-9a-f]{32}(?:\.draft-[0-9A-Za-z]{6})?$/;

/**
 * Removes unpacked files from a folder, and the folder if nothing else is in it. Files that are not
 * ours stay, and so do those that cannot be removed: they take space, and do no harm.
 */
export function removeUnpacked(build: string): void {
  const manifest = manifestOf(build);
  const files = manifest?.files ?? [];
  for (const { path } of files) attempt(() => unlinkSync(join(build, path)));
  for (const folder of foldersOf(files)) attempt(() => rmdirSync(join(build, folder)));
  // Last: until then, the remaining files can be identified as ours.
  if (manifest !== undefined) attempt(() => unlinkSync(join(build, MANIFEST_FILE)));
  attempt(() => rmdirSync(build));
}

/** Undefined when there is no manifest, or none that belongs to a folder of this name. */
function manifestOf(build: string): PackedManifest | undefined {
  try {
    const path = join(build, MANIFEST_FILE);
    const status = lstatSync(path);
    if (!status.isFile() || status.size > MANIFEST_MAX_BYTES) return undefined;
    const { files } = JSON.parse(readFileSync(path, 'utf8')) as PackedManifest;
    const name = build.slice(dirname(build).length + 1).split(DRAFT_INFIX, 1)[0];
    return buildId(files) === name && files.every(isBelow) ? { id: name, files } : undefined;
  } catch {
    return undefined;
  }
}

function isBelow({ path }: PackedFile): boolean {
  return !path.startsWith('/') && normalize(path) === path && !path.startsWith('..');
}

/** Folders of the files, the deepest first. */
function foldersOf(files: readonly PackedFile[]): readonly string[] {
  const folders = new Set<string>();
  for (const { path } of files) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  }
  return [...folders].sort((a, b) => b.length - a.length);
}

/**
 * A running process sets the folder's time, but clocks leap, and processes sleep. So the mappings
 * of processes are checked, too, where they may be read.
 */
function isLoaded(build: string): boolean {
  return readdirSync('/proc').some((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/maps`, 'latin1').includes(`${build}/`);
    } catch {
      return false;
    }
  });
}

function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // Gone, not ours, or not empty.
  }
}
