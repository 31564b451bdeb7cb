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

/** Files and folders of flows are for their owner only, whatever the umask. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** Names of spilled data as DuckDB chooses them; nothing else in the folder is ours to remove. */
const SPILL_FILE = /^duckdb_temp_(storage|block).*\.(tmp|block)$/;

/** In the folder of what is spilled, while damage is looked at. */
const ALIAS = 'alias.duckdb';
const SCRATCH = 'scratch';

/** Names that damaged files get: `flows.duckdb.damaged-20260131T120000Z`. */
const DAMAGED = '.damaged-';

/** A log is folded into the file at a few MiB; one that could not be grows. */
const WAL_BYTES_MAX = 512 * 1024 ** 2;

const SPILL_BYTES_MAX = 1024 ** 3;

/** The files of one database. All calls are synchronous: they are few, and before it is opened. */
export class StoreFiles {
  readonly database: string;
  readonly wal: string;
  readonly spill: string;

  constructor(database: string) {
    // A path such as `md:flows` names a service to the database, unless it begins with a slash.
    this.database = resolve(database);
    this.wal = `${this.database}.wal`;
    this.spill = `${this.database}.tmp`;
  }

  /**
   * Makes the folders, for the owner only. One that is there and holds something else than flows
   * keeps its mode: it may be shared.
   */
  prepare(): void {
    const folder = dirname(this.database);
    // What follows it is taken for the query of a URL: the log would be another file than ours.
    if (folder.includes('?')) throw unusable(folder, 'the database knows no "?" in paths');
    makeFolder(folder, FOLDER_MODE);
    const log = lstatSync(this.wal, { throwIfNoEntry: false });
    // Through a link, a file of somebody's choice would be written over.
    if (log?.isFile() === false) throw unusable(folder, `${this.wal} is no ordinary file`);
    const own = basename(this.database);
    if (readdirSync(folder).every((name) => name.startsWith(own))) restrict(folder, FOLDER_MODE);
    makeFolder(this.spill, FOLDER_MODE);
    this.protect();
  }

  /** Takes rights of others from files that are there; a new file has them from the umask. */
  protect(): void {
    restrict(this.database, FILE_MODE);
    restrict(this.wal, FILE_MODE);
    restrict(this.spill, FOLDER_MODE);
  }

  /** The database under a name that has no log, for as long as it is used. */
  alias(): Disposable & { readonly path: string } {
    const path = join(this.spill, ALIAS);
    rmSync(path, { force: true });
    symlinkSync(realpathSync(this.database), path);
    return { path, [Symbol.dispose]: () => rmSync(path, { force: true }) };
  }

  /** Runs `task` with the path of a file that may be made there, and is removed after it. */
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

  /** Removes what a process that was killed had spilled. Only once the database is locked. */
  removeSpilled(): number {
    let removed = 0;
    for (const name of names(this.spill)) {
      if (!SPILL_FILE.test(name)) continue;
      rmSync(join(this.spill, name), { force: true });
      removed++;
    }
    return removed;
  }

  /** Number of the file's node: another one, or none, when somebody removed or replaced it. */
  identity(): number | undefined {
    return seen(this.database)?.ino;
  }

  sizeBytes(): number {
    let bytes = 0;
    for (const path of [this.database, this.wal]) bytes += bytesOf(path);
    return bytes;
  }

  /** The log's bytes, unless it is so long that it cannot be held. */
  readWal(): Buffer | undefined {
    const bytes = bytesOf(this.wal);
    return bytes === 0 || bytes > WAL_BYTES_MAX ? undefined : readFileSync(this.wal);
  }

  /** Copies the log, whole and damaged parts alike; returns the name of the copy. */
  keepWal(nowMs: number): string {
    const kept = freeName(`${this.wal}${DAMAGED}${stamp(nowMs)}`);
    copyFileSync(this.wal, kept, constants.COPYFILE_EXCL);
    chmodSync(kept, FILE_MODE);
    sync(kept);
    sync(dirname(kept));
    return kept;
  }

  /** Leaves the first `wholeBytes` of the log. */
  cutWal(wholeBytes: number): void {
    truncateSync(this.wal, wholeBytes);
    sync(this.wal);
  }

  /** The pages that the database begins with, unless it is shorter. */
  readHeaders(): Buffer | undefined {
    if (bytesOf(this.database) < HEADERS_BYTES) return undefined;
    const bytes = Buffer.alloc(HEADERS_BYTES);
    withFile(this.database, 'r', (fd) => readSync(fd, bytes, 0, bytes.length, 0));
    return bytes;
  }

  /** Puts other pages in their place, and keeps what was there; returns the name of that. */
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
   * Gives a log without a database another name: as it tells changes only, nothing reads it, and a
   * new database would do away with it. Returns that name, or none.
   */
  keepOrphan(nowMs: number): string | undefined {
    if (existsSync(this.database) || bytesOf(this.wal) === 0) return undefined;
    const kept = freeName(`${this.wal}${DAMAGED}${stamp(nowMs)}`);
    renameSync(this.wal, kept);
    sync(dirname(kept));
    return kept;
  }

  /** Gives the database another name, and its log the one that goes with it. */
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

  /** Damaged files that were kept, by this or an earlier start; oldest first. */
  damaged(): readonly string[] {
    const begin = basename(this.database);
    const folder = dirname(this.database);
    return names(folder)
      .filter((name) => name.startsWith(begin) && name.includes(DAMAGED))
      .sort()
      .map((name) => join(folder, name));
  }

  /** What queries may spill: of what is free half at most, so that flows can still be written. */
  spillLimitBytes(): number {
    return Math.min(SPILL_BYTES_MAX, this.disk().availableBytes / 2);
  }

  /** Of the disk that the folder is on, for this process. */
  disk(): { readonly totalBytes: number; readonly availableBytes: number } {
    const { bsize, blocks, bavail } = statfsSync(dirname(this.database));
    return { totalBytes: bsize * blocks, availableBytes: bsize * bavail };
  }
}

/** What belongs to somebody else, or is somewhere else, is theirs to share. */
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

/** None where the way there is closed, too: that it is, opening tells. */
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

/** A file, or the names in a folder, on the disk. */
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
