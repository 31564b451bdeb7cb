import { readFileSync } from 'node:fs';
import { explain } from '../../base/errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { Database, type DatabaseOptions } from './database.ts';
import { type Damage, isLocked } from './failures.ts';
import type { StoreFiles } from './files.ts';
import { isMainHeaderWhole, mendedHeaders } from './headers.ts';
import { surveyWal } from './wal.ts';

export interface MendingDeps {
  readonly log: Log;
  nowMs(): number;
}

/**
 * Before a database is opened, handles damage that DuckDB would not notice and would overwrite, and
 * repairable damage that would prevent opening. Returns the name of the log's copy if the log was
 * cut.
 */
export async function mend(
  options: DatabaseOptions,
  files: StoreFiles,
  deps: MendingDeps,
): Promise<string | undefined> {
  const orphan = files.keepOrphan(deps.nowMs());
  if (orphan !== undefined) {
    const fields = { component: 'store', kept: orphan };
    deps.log.error(fields, 'a write-ahead log has lost its database: it is kept');
  }
  const headers = await headersToMend(options, files);
  const wal = walToCut(files);
  if (headers === undefined && wal === undefined) return undefined;
  await assertUnused(options, files);
  if (headers !== undefined) {
    const kept = files.replaceHeaders(headers.damaged, headers.mended, deps.nowMs());
    const fields = { component: 'store', kept };
    deps.log.error(fields, 'a header of the database is damaged: it is kept, and made up for');
  }
  return wal === undefined ? undefined : cutWal(files, wal, deps);
}

/**
 * A process that has the database open keeps writing to the parts that look damaged. DuckDB locks a
 * file before it reads it, even under a name without a log, and even for reading only.
 */
async function assertUnused(options: DatabaseOptions, files: StoreFiles): Promise<void> {
  using alias = files.alias();
  try {
    (await Database.open({ ...options, file: alias.path, isReadOnly: true })).close();
  } catch (error) {
    // Any other failure is due to the damage, or will be reported again.
    if (isLocked(error)) throw error;
  }
}

interface HeadersToMend {
  readonly damaged: Buffer;
  readonly mended: Buffer;
}

async function headersToMend(
  options: DatabaseOptions,
  files: StoreFiles,
): Promise<HeadersToMend | undefined> {
  const damaged = files.readHeaders();
  if (damaged === undefined) return undefined;
  const isMainWhole = isMainHeaderWhole(damaged);
  const main = isMainWhole ? damaged : await mainHeaderOfAnother(options, files);
  const mended = mendedHeaders(damaged, main);
  return mended === undefined ? undefined : { damaged, mended };
}

function mainHeaderOfAnother(options: DatabaseOptions, files: StoreFiles): Promise<Buffer> {
  return files.withScratch(async (file) => {
    (await Database.open({ ...options, file })).close();
    return readFileSync(file);
  });
}

interface WalToCut {
  readonly wholeBytes: number;
  readonly damagedBytes: number;
}

function walToCut(files: StoreFiles): WalToCut | undefined {
  const bytes = files.readWal();
  if (bytes === undefined) return undefined;
  const { wholeBytes, isDamaged } = surveyWal(bytes);
  return isDamaged ? { wholeBytes, damagedBytes: bytes.length - wholeBytes } : undefined;
}

function cutWal(files: StoreFiles, wal: WalToCut, { log, nowMs }: MendingDeps): string {
  const kept = files.keepWal(nowMs());
  files.cutWal(wal.wholeBytes);
  const fields = { component: 'store', kept, ...wal };
  log.error(fields, 'the write-ahead log is damaged: it is kept, what is whole of it is used');
  return kept;
}

/**
 * Handles damage after the database could not be opened. `walKept`: the copy of the log from its
 * first cut; returned if that is still valid.
 */
export function setAside(
  files: StoreFiles,
  damage: Damage,
  error: unknown,
  deps: MendingDeps & { readonly walKept: string | undefined },
): string | undefined {
  const { log, nowMs } = deps;
  if (damage.part === 'log') {
    const { wholeBytes } = damage;
    const kept = deps.walKept ?? files.keepWal(nowMs());
    files.cutWal(wholeBytes);
    const fields = { component: 'store', kept, wholeBytes, error: explain(error) };
    log.error(fields, 'the write-ahead log is damaged: it is kept, what is whole of it is used');
    return kept;
  }
  const kept = files.setAside(nowMs());
  log.error(
    { component: 'store', kept, error: explain(error) },
    'the database cannot be read: it is kept under another name, flows go to a new one',
  );
  return undefined;
}
