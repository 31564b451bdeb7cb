import { expect, test } from 'vitest';
import { assert, assertExists, assertNever } from '../../../src/base/assert.ts';
import { defineErrors, explain, hasCode, NetobservError } from '../../../src/base/errors.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { errorRow } from '../../support/error-row.ts';

test('an error carries its code, cause, details and whether a retry makes sense', () => {
  const cause = new Error('refused');
  const error = new NetobservError(errorRow('ERR_X'), 'no answer', {
    cause,
    retryable: true,
    details: { port: 1 },
  });
  expect(error).toMatchObject({ code: 'ERR_X', cause, retryable: true, details: { port: 1 } });
  expect(new NetobservError(errorRow('ERR_X'), 'm')).toMatchObject({
    retryable: false,
    details: {},
  });
  expect('cause' in new NetobservError(errorRow('ERR_X'), 'm')).toBe(false);
});

test('the code of a row is its prefix and its key', () => {
  const facts = { kind: 'limit', meaning: 'm', remedy: 'r' } as const;
  const errors = defineErrors('ERR_CODEC', { tooLong: facts, syntax: { ...facts, kind: 'data' } });
  expect(errors.tooLong).toEqual({ code: 'ERR_CODEC_TOO_LONG', ...facts });
  expect(errors.syntax).toMatchObject({ code: 'ERR_CODEC_SYNTAX', kind: 'data' });
  const error = new NetobservError(errors.tooLong, 'm');
  expect(error).toMatchObject({ code: 'ERR_CODEC_TOO_LONG', kind: 'limit' });
  expect(error.row).toBe(errors.tooLong);
});

test('the log shows the code and the kind of an error, not the prose of its row', () => {
  const row = errorRow('ERR_X', 'limit');
  let line = '';
  const log = createLog('info', {
    write(text: string) {
      line += text;
      return true;
    },
  });
  log.error({ err: new NetobservError(row, 'm') }, 'failed');
  expect(JSON.parse(line)).toMatchObject({ err: { code: 'ERR_X', kind: 'limit' } });
  expect(line).not.toContain(row.meaning);
});

test('codes are compared, ours and those of Node', () => {
  const row = errorRow('ERR_X');
  expect(hasCode(new NetobservError(row, 'm'), row)).toBe(true);
  expect(hasCode(new NetobservError(row, 'm'), errorRow('ERR_Y'))).toBe(false);
  expect(hasCode(new NetobservError(errorRow('ERR_X'), 'm'), 'ERR_X')).toBe(true);
  expect(hasCode(Object.assign(new Error('m'), { code: 'ENOENT' }), 'ENOENT')).toBe(true);
  expect(hasCode(new Error('m'), 'ERR_X')).toBe(false);
  expect(hasCode({ code: 'ERR_X' }, 'ERR_X')).toBe(false);
});

test('an explanation is the chain of causes, also of one that is no error', () => {
  const cause = new Error('inner', { cause: 'text' });
  expect(explain(new NetobservError(errorRow('ERR_X'), 'outer', { cause }))).toBe(
    'outer: inner: text',
  );
});

test('an explanation of causes in a circle ends', () => {
  const error = new Error('again');
  error.cause = error;
  expect(explain(error).split(': ')).toHaveLength(8);
});

test('assertions pass values on and fail with what is missing', () => {
  expect(() => assert(false, 'one is two')).toThrow('assertion failed: one is two');
  expect(() => assert(true, 'never')).not.toThrow();
  expect(assertExists(0, 'number')).toBe(0);
  expect(() => assertExists(undefined, 'socket')).toThrow('no socket');
  expect(() => assertNever('odd' as never)).toThrow('"odd"');
});
