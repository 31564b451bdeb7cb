import { expect, test } from 'vitest';
import { assert, assertExists, assertNever } from '../../../src/base/assert.ts';
import { explain, hasCode, NetobservError } from '../../../src/base/errors.ts';

test('an error carries its code, cause, details and whether a retry makes sense', () => {
  const cause = new Error('refused');
  const error = new NetobservError('ERR_X', 'no answer', {
    cause,
    retryable: true,
    details: { port: 1 },
  });
  expect(error).toMatchObject({ code: 'ERR_X', cause, retryable: true, details: { port: 1 } });
  expect(new NetobservError('ERR_X', 'm')).toMatchObject({ retryable: false, details: {} });
  expect('cause' in new NetobservError('ERR_X', 'm')).toBe(false);
});

test('codes are compared, ours and those of Node', () => {
  expect(hasCode(new NetobservError('ERR_X', 'm'), 'ERR_X')).toBe(true);
  expect(hasCode(Object.assign(new Error('m'), { code: 'ENOENT' }), 'ENOENT')).toBe(true);
  expect(hasCode(new Error('m'), 'ERR_X')).toBe(false);
  expect(hasCode({ code: 'ERR_X' }, 'ERR_X')).toBe(false);
});

test('an explanation is the chain of causes, also of one that is no error', () => {
  const cause = new Error('inner', { cause: 'text' });
  expect(explain(new NetobservError('ERR_X', 'outer', { cause }))).toBe('outer: inner: text');
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
