import { Catalog } from './catalog.ts';
import { Database, type DatabaseOptions, type Session } from './database.ts';
import { damageOf } from './failures.ts';
import type { StoreFiles } from './files.ts';
import { type MendingDeps, mend, setAside } from './mending.ts';

export interface OpenedDatabase {
  readonly database: Database;
  readonly session: Session;
  readonly catalog: Catalog;
}

/** Opens a database again that was closed intact, with its known state. */
export async function openAgain(
  options: DatabaseOptions,
  files: StoreFiles,
  catalog: Catalog,
): Promise<OpenedDatabase> {
  const database = await Database.open({ ...options, spillLimitBytes: files.spillLimitBytes() });
  try {
    return { database, session: await database.connect(), catalog };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Each failed attempt sets something aside, so a few are enough. */
const ATTEMPTS_MAX = 8;

/**
 * Opens a database, and keeps the intact parts of a damaged one: the entries of the log before the
 * damage, and the file unless the database cannot read it at all. Damaged files are kept beside it
 * under another name, and never removed.
 */
export async function openDatabase(
  options: DatabaseOptions,
  files: StoreFiles | undefined,
  place: string,
  deps: MendingDeps,
): Promise<OpenedDatabase> {
  if (files === undefined) return load(await Database.open(options), place, deps);
  files.prepare();
  let walKept = await mend(options, files, deps);
  for (let attempt = 1; ; attempt++) {
    try {
      return await openFile(options, files, place, deps);
    } catch (error) {
      const damage = damageOf(error);
      if (damage === undefined || attempt === ATTEMPTS_MAX) throw error;
      walKept = setAside(files, damage, error, { ...deps, walKept });
    }
  }
}

async function openFile(
  options: DatabaseOptions,
  files: StoreFiles,
  place: string,
  deps: MendingDeps,
): Promise<OpenedDatabase> {
  const database = await Database.open({ ...options, spillLimitBytes: files.spillLimitBytes() });
  // It is locked now, so the process that spilled these files is gone.
  const removed = files.removeSpilled();
  if (removed > 0) {
    deps.log.info(
      { component: 'store', files: removed },
      'removed what a dead process had spilled',
    );
  }
  files.protect();
  return load(database, place, deps);
}

async function load(
  database: Database,
  place: string,
  { log }: MendingDeps,
): Promise<OpenedDatabase> {
  try {
    const session = await database.connect();
    const catalog = new Catalog();
    await catalog.load(session, place);
    for (const { number, damage } of catalog.all) {
      if (damage === undefined) continue;
      const fields = { component: 'store', partition: number, error: damage };
      log.error(fields, 'a partition is damaged and left out, the others are served');
    }
    return { database, session, catalog };
  } catch (error) {
    database.close();
    throw error;
  }
}
