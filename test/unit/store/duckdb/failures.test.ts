import { expect, test } from 'vitest';
import { damageOf, storeFailure } from '../../../../src/store/duckdb/failures.ts';

test.each([
  [
    'IO Error: Could not set lock on file "f": Conflicting lock is held in node (PID 17).',
    'ERR_STORE_LOCKED',
    'process 17',
  ],
  [
    'IO Error: Could not write file "f": No space left on device',
    'ERR_STORE_DISK_FULL',
    'no space left',
  ],
  ['IO Error: Cannot open file "f": Permission denied', 'ERR_STORE_ACCESS', 'cannot be written'],
  [
    'IO Error: Trying to read a database file with version number 99',
    'ERR_STORE_VERSION',
    'another version',
  ],
  [
    'IO Error: The file "f" exists, but it is not a valid DuckDB database file!',
    'ERR_STORE_CORRUPT',
    'damaged',
  ],
  ['Out of Memory Error: failed to pin block', 'ERR_STORE_MEMORY', 'more memory'],
  ['Binder Error: something else', 'ERR_STORE_INTERNAL', 'failed in /data'],
])('%s', (text, code, message) => {
  const cause = new Error(text);
  expect(storeFailure(cause, '/data')).toMatchObject({
    code,
    message: expect.stringContaining(message),
    cause,
  });
});

test.each([
  'IO Error: The file "f" exists, but it is not a valid DuckDB database file!',
  'IO Error: Corrupt database file: computed checksum 1 does not match stored checksum 2',
  'IO Error: Failure while replaying WAL file "f.wal": Corrupt WAL file: entry at byte position 8',
  'IO Error: Trying to read a database file with version number 99',
  'Serialization Error: Failed to deserialize',
])('nobody is told to give up what may be whole: %s', (text) => {
  expect(storeFailure(new Error(text), '/data').message).not.toMatch(/move it|remove|delete/);
});

test.each([
  [
    'IO Error: Failure while replaying WAL file "f.wal": Corrupt WAL file: entry at byte position 41043 computed checksum 1',
    { part: 'log', wholeBytes: 41_043 },
  ],
  [
    'IO Error: Failure while replaying WAL file "f.wal": Corrupt WAL file',
    { part: 'log', wholeBytes: 0 },
  ],
  ['IO Error: Corrupt database file: computed checksum 1', { part: 'file' }],
  ['IO Error: Could not read enough bytes from file "f"', { part: 'file' }],
  ['IO Error: Could not set lock on file "f"', undefined],
  ['IO Error: Could not write file "f": No space left on device', undefined],
  ['IO Error: Could not read from file "f": Input/output error', undefined],
  ['IO Error: Trying to read a database file with version number 99', undefined],
])('damage in "%s"', (text, damage) => {
  expect(damageOf(new Error(text))).toEqual(damage);
});

test('a coded error is passed on as it is', () => {
  const error = storeFailure(new Error('No space left on device'), '/data');
  expect(storeFailure(error, '/elsewhere')).toBe(error);
});
