import { NetobservError } from '../../base/errors.ts';
import { STORE_ERRORS, storeError } from '../errors.ts';
import { HEADERS_BYTES } from './headers.ts';

/** Messages about exhausted memory; they differ between parts of the database. */
const NO_MEMORY = /Out of Memory|could not allocate block|failed to (?:pin|allocate)/i;

/** Converts a failure of the database to a coded error: what is wrong, where, and what to do. */
export function storeFailure(error: unknown, place: string): NetobservError {
  if (error instanceof NetobservError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const details = { path: place };
  if (isLocked(error)) {
    const pid = /PID (\d+)/.exec(text)?.[1];
    const who = pid === undefined ? 'another process' : `the process ${pid}`;
    return storeError(
      STORE_ERRORS.locked,
      `${place} is in use by ${who}; stop it, or choose another folder with --data`,
      { cause: error, details },
    );
  }
  if (/No space left on device|ENOSPC|disk quota/i.test(text)) {
    return storeError(
      STORE_ERRORS.diskFull,
      `there is no space left for ${place}; free some, or lower the size that the store may take`,
      { cause: error, retryable: true, details },
    );
  }
  if (
    /Permission denied|Read-only file system|Cannot open file/i.test(text) ||
    /EACCES|EPERM|EROFS|EEXIST|ENOENT|ENOTDIR|EISDIR|ENAMETOOLONG|ELOOP|Is a directory/i.test(text)
  ) {
    return storeError(
      STORE_ERRORS.access,
      `${place} cannot be written; make it writable, or choose another folder with --data`,
      { cause: error, details },
    );
  }
  if (/version number|Serialization Error|storage version/i.test(text)) {
    return storeError(
      STORE_ERRORS.version,
      `${place} was written by another version of the database; use that version, or choose another folder with --data`,
      { cause: error, details },
    );
  }
  if (isCorrupt(error)) {
    return storeError(
      STORE_ERRORS.corrupt,
      `a part of ${place} is damaged; flows outside of it are served, a restart sets aside what cannot be read`,
      { cause: error, details },
    );
  }
  if (NO_MEMORY.test(text) && /Failed to append/i.test(text)) {
    return storeError(
      STORE_ERRORS.memory,
      'flows need more memory than the store may take; raise the limit with --store-memory',
      { cause: error, details },
    );
  }
  if (NO_MEMORY.test(text)) {
    return storeError(
      STORE_ERRORS.memory,
      'the query needs more memory than the store may take; shorten its time range, group by fewer fields, or raise the limit with --store-memory',
      { cause: error, details },
    );
  }
  return storeError(STORE_ERRORS.internal, `the database failed in ${place}`, {
    cause: error,
    details,
  });
}

/** True when another process has the database open. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && /Could not set lock on file/i.test(error.message);
}

/** The file is open but has no name any more. */
export function fileRemoved(place: string): NetobservError {
  return storeError(
    STORE_ERRORS.removed,
    `the database in ${place} was removed or replaced while it was open; flows go to a new one`,
    { retryable: true, details: { path: place } },
  );
}

/** The part of a database that cannot be read when it is opened. */
export type Damage =
  /** Entries of the log from an offset on. */
  { readonly part: 'log'; readonly wholeBytes: number } | { readonly part: 'file' };

export function damageOf(error: unknown): Damage | undefined {
  if (!(error instanceof Error) || !isCorrupt(error)) return undefined;
  if (!/replaying WAL/i.test(error.message)) return { part: 'file' };
  const position = /entry at byte position (\d+)/.exec(error.message)?.[1];
  return { part: 'log', wholeBytes: Number(position ?? 0) };
}

/** True when bytes on the disk differ from those written. */
export function isCorrupt(error: unknown): boolean {
  return (
    error instanceof Error &&
    /not a valid DuckDB|Corrupt|checksum|replaying WAL|Could not read enough bytes/i.test(
      error.message,
    )
  );
}

/** Number of the block whose contents differ from those written. */
export function damagedBlock(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined;
  const offset = /in block at location (\d+)/.exec(error.message)?.[1];
  return offset === undefined ? undefined : (Number(offset) - HEADERS_BYTES) / BLOCK_BYTES;
}

/** The headers of a database file are followed by blocks of the default size. */
const BLOCK_BYTES = 262_144;

/** True when the database refuses to go on until it is opened again. */
export function isFatal(error: unknown): boolean {
  return error instanceof Error && /FATAL|has been invalidated/i.test(error.message);
}

/** True when a query still reads dropped tables, which is not a failure. */
export function isCheckpointBusy(error: unknown): boolean {
  return error instanceof Error && /Cannot CHECKPOINT/i.test(error.message);
}

/** True when a statement named a table or a column that does not exist. */
export function isMissing(error: unknown): boolean {
  const isColumn = error instanceof Error && /Binder Error.*not found/is.test(error.message);
  return isColumn || isMissingTable(error);
}

/** True when a statement named a table that has been dropped. */
export function isMissingTable(error: unknown): boolean {
  return error instanceof Error && /Catalog Error.*does not exist/is.test(error.message);
}
