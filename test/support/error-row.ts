import type { ErrorKind, ErrorRow } from '../../src/base/errors.ts';

/** A row without a table, for errors that only a test throws. */
export function errorRow(code: string, kind: ErrorKind = 'internal'): ErrorRow {
  return { code, kind, meaning: 'made by a test', remedy: 'none' };
}
