import { defineErrors, type ErrorContext, type ErrorRow, NetobservError } from '../base/errors.ts';

export const STORE_ERRORS = defineErrors('ERR_STORE', {
  locked: {
    kind: 'unavailable',
    meaning: 'Another process has the data folder open.',
    remedy: 'Stop the other process, or choose another folder with --data.',
  },
  diskFull: {
    kind: 'unavailable',
    meaning: 'The disk of the data folder is full.',
    remedy: 'Free space, or lower the size that the store may take.',
  },
  access: {
    kind: 'permission',
    meaning: 'The data folder cannot be created, read or written.',
    remedy: 'Make the folder writable for this user, or choose another one with --data.',
  },
  removed: {
    kind: 'unavailable',
    meaning: 'The database was removed or replaced while it was open.',
    remedy: 'Nothing; flows go to a new database. Stop the program before you move its files.',
  },
  version: {
    kind: 'data',
    meaning: 'The database was written by a newer or an unknown version.',
    remedy: 'Use that version, or choose another folder with --data.',
  },
  corrupt: {
    kind: 'data',
    meaning: 'A part of the database is damaged.',
    remedy: 'Check the disk; restart the program, which sets aside the parts that cannot be read.',
  },
  memory: {
    kind: 'limit',
    meaning: 'A query, or writing flows, needs more memory than the store may take.',
    remedy: 'Shorten the time range, group by fewer fields, or raise --store-memory.',
  },
  busy: {
    kind: 'unavailable',
    meaning: 'Too many queries wait for their turn.',
    remedy: 'Try again shortly.',
  },
  stopped: {
    kind: 'unavailable',
    meaning: 'The store was used before its start or after its end.',
    remedy: 'Try again when the program is ready.',
  },
  ids: {
    kind: 'limit',
    meaning: 'A dictionary of the store has given out all of its ids.',
    remedy: 'Begin a new data folder.',
  },
  internal: {
    kind: 'internal',
    meaning: 'The database failed in an unexpected way.',
    remedy: 'Please report it as a bug, with the cause in the message.',
  },
});

export function storeError(
  row: ErrorRow,
  message: string,
  context: ErrorContext = {},
): NetobservError {
  return new NetobservError(row, message, context);
}
