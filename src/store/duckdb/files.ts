import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statfsSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { makeFolder } from '../../config/folders.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import { HEADERS_BYTES } from './headers.ts';

/** Files and folders of flows are for their owner only, regardless of the umask. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Names of DuckDB's spill files; the store removes nothing else in the folder. */
const SPILL_FILE = /^duckdb_temp_(storage|block).*\.(tmp|block)$/;

/** Name in the spill folder while damage is examined. */
const ALIAS = 'alias.duckdb';
const SCRATCH = 'scratch';

/** Suffix of damaged files: `flows.duckdb.damaged-20260131T120000Z`. */
const DAMAGED = '.damaged-';

/** A log is folded into the file at a few MiB; if that fails it grows. */
const WAL_BYTES_MAX = 512 * 1024 ** 2;

const SPILL_BYTES_MAX = 1024 ** 3;

/** The files of one database. All calls are synchronous: they are few, before it is opened. */
export class StoreFiles {
  readonly database: string;
  readonly wal: string;
  readonly spill: string;

  constructor(database: string) {
    // DuckDB takes a path such as `md:flows` for a service unless it begins with a slash.
    this.database = resolve(database);
    this.wal = `${this.database}.wal`;
    this.spill = `${this.database}.tmp`;
  }

  /**
   * Makes the folders, for the owner only. An existing folder that contains other files than flows
   * keeps its mode: it may be shared.
   */
  prepare(): void {
    const folder = dirname(this.database);
    // DuckDB takes the rest for the query of a URL, and would put the log in another file.
    if (folder.includes('?')) throw unusable(folder, 'the database knows no "?" in paths');
    makeFolder(folder, FOLDER_MODE);
    const log = lstatSync(this.wal, { throwIfNoEntry: false });
    // Through a link, an attacker's choice of file would be overwritten.
    if (log?.isFile() === false) throw unusable(folder, `${this.wal} is not a regular file`);
    const own = basename(this.database);
    if (readdirSync(folder).every((name) => name.startsWith(own))) restrict(folder, FOLDER_MODE);
    makeFolder(this.spill, FOLDER_MODE);
    this.protect();
  }

  /** Removes the rights of others from existing files; new files get their mode from the umask. */
  protect(): void {
    restrict(this.database, FILE_MODE);
    restrict(this.wal, FILE_MODE);
    restrict(this.spill, FOLDER_MODE);
  }

  /** The database under a name without a log, until it is disposed. */
  alias(): Disposable & { readonly path: string } {
    const path = join(this.spill, ALIAS);
    rmSync(path, { force: true });
    symlinkSync(realpathSync(this.database), path);
    return { path, [Symbol.dispose]: () => rmSync(path, { force: true }) };
  }

  /** Runs `task` with a path for a temporary file, which is removed afterwards. */
  async withScratch<T>(task: (path: string) => Promise<T>): Promise<T> {
    const folder = join(this.spill, SCRATCH);
    rmSync(folder, { recursive: true, force: true });
    makeFolder(folder, FOLDER_MODE);
    try {
      return await task(join(folder, basename(this.database)));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Removes spill files of a process that was killed. Only once the database is locked. */
  removeSpilled(): number {
    let removed = 0;
    for (const name of names(this.spill)) {
      if (!SPILL_FILE.test(name)) continue;
      rmSync(join(this.spill, name), { force: true });
      removed++;
    }
    return removed;
  }

  /** The file's inode number: another one, or undefined, if the file was removed or replaced. */
  identity(): number | undefined {
    return seen(this.database)?.ino;
  }

  sizeBytes(): number {
    let bytes = 0;
    for (const path of [this.database, this.wal]) bytes += bytesOf(path);
    return bytes;
  }

  /** The log's bytes, unless it is too long for memory. */
  readWal(): Buffer | undefined {
    const bytes = bytesOf(this.wal);
    return bytes === 0 || bytes > WAL_BYTES_MAX ? undefined : readFileSync(this.wal);
  }

  /** Copies the whole log, including damaged parts; returns the name of the copy. */
  keepWal(nowMs: number): string {
    const kept = freeName(`${this.wal}${DAMAGED}${stamp(nowMs)}`);
    copyFileSync(this.wal, kept, constants.COPYFILE_EXCL);
    chmodSync(kept, FILE_MODE);
    sync(kept);
    sync(dirname(kept));
    return kept;
  }

  /** Truncates the log to its first `wholeBytes` bytes. */
  cutWal(wholeBytes: number): void {
    truncateSync(this.wal, wholeBytes);
    sync(this.wal);
  }

  /** The first pages of the database; undefined if it is shorter. */
  readHeaders(): Buffer | undefined {
    if (bytesOf(this.database) < HEADERS_BYTES) return undefined;
    const bytes = Buffer.alloc(HEADERS_BYTES);
    withFile(this.database, 'r', (fd) => readSync(fd, bytes, 0, bytes.length, 0));
    return bytes;
  }

  /** Replaces these pages, and keeps the old ones; returns the name of that copy. */
  replaceHeaders(damaged: Buffer, mended: Buffer, nowMs: number): string {
    const kept = freeName(`${this.database}.headers${DAMAGED}${stamp(nowMs)}`);
    writeFileSync(kept, damaged, { mode: FILE_MODE, flag: 'wx', flush: true });
    sync(dirname(kept));
    withFile(this.database, 'r+', (fd) => {
      writeSync(fd, mended, 0, mended.length, 0);
      fsyncSync(fd);
    });
    return kept;
  }

  /**
   * Renames a log without a database: it contains only changes, so nothing reads it, and a new
   * database would delete it. Returns the new name, or undefined.
   */
  keepOrphan(nowMs: number): string | undefined {
    if (existsSync(this.database) || bytesOf(this.wal) === 0) return undefined;
    const kept = freeName(`${this.wal}${DAMAGED}${stamp(nowMs)}`);
    renameSync(this.wal, kept);
    sync(dirname(kept));
    return kept;
  }

  /** Renames the database, and its logs to match. */
  setAside(nowMs: number): string {
    const kept = freeName(`${this.database}${DAMAGED}${stamp(nowMs)}`);
    // DuckDB begins further logs while it folds one into the file.
    for (const end of ['.wal', '.wal.checkpoint', '.wal.recovery']) {
      if (bytesOf(this.database + end) > 0) renameSync(this.database + end, kept + end);
    }
    renameSync(this.database, kept);
    sync(dirname(this.database));
    return kept;
  }

  /** Damaged files that this or an earlier start kept; oldest first. */
  damaged(): readonly string[] {
    const begin = basename(this.database);
    const folder = dirname(this.database);
    return names(folder)
      .filter((name) => name.startsWith(begin) && name.includes(DAMAGED))
      .sort()
      .map((name) => join(folder, name));
  }

  /**
   * Most bytes that queries may spill: at most half of the free space, so that flows can be
   * written.
   */
  spillLimitBytes(): number {
    return Math.min(SPILL_BYTES_MAX, this.disk().availableBytes / 2);
  }

  /** Sizes of the folder's disk, as available to this process. */
  disk(): { readonly totalBytes: number; readonly availableBytes: number } {
    const { bsize, blocks, bavail } = statfsSync(dirname(this.database));
    return { totalBytes: bsize * blocks, availableBytes: bsize * bavail };
  }
}

/** Leaves files of other owners, and links, as they are. */
function restrict(path: string, mode: number): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSymbolicLink() || (found.mode & 0o777 & ~mode) === 0) return;
  if (found.uid === process.geteuid?.()) chmodSync(path, mode);
}

function unusable(folder: string, why: string): Error {
  return storeError(
    STORE_ERRORS.access,
    `${folder} cannot keep flows: ${why}; choose another folder with --data`,
    { details: { path: folder } },
  );
}

/** Undefined also if the path is not accessible: opening it reports that. */
function seen(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function bytesOf(path: string): number {
  return seen(path)?.size ?? 0;
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** `20260131T120000Z`: sorts by time, and needs no quoting in a shell. */
function stamp(nowMs: number): string {
  return new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '');
}

function freeName(wanted: string): string {
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    if (statSync(name, { throwIfNoEntry: false }) === undefined) return name;
  }
}

/** Syncs a file, or the names in a folder, to the disk. */
function sync(path: string): void {
  withFile(path, 'r', fsyncSync);
}

function withFile(path: string, flags: 'r' | 'r+', task: (fd: number) => unknown): void {
  const fd = openSync(path, flags);
  try {
    task(fd);
  } finally {
    closeSync(fd);
  }
}
