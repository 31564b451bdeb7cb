import { expect, test } from 'vitest';
import { RefusedError, ServerGoneError } from '../../../../../src/console/web/data/client.ts';
import { isWorthRetrying, retryDelayMs } from '../../../../../src/console/web/data/retry.ts';

const busy = new RefusedError(503, { code: 'ERR_CONSOLE_BUSY', message: 'busy' }, 2);
const wrong = new RefusedError(400, { code: 'ERR_CONSOLE_PARAMETER', message: 'wrong' });

test('only who is told to come back does, and not for ever', () => {
  expect([0, 1, 2, 3].map((failures) => isWorthRetrying(failures, busy))).toEqual([
    ...[true, true, true],
    false,
  ]);
  expect(isWorthRetrying(0, wrong)).toBe(false);
  expect(isWorthRetrying(0, new ServerGoneError('gone'))).toBe(false);
});

test('the wait is what the server asked for at least, spread out, and bounded', () => {
  expect(retryDelayMs(0, busy, () => 0)).toBe(2000);
  expect(retryDelayMs(0, busy, () => 0.5)).toBe(3000);
  expect(retryDelayMs(1, busy, () => 0)).toBe(4000);
  const long = new RefusedError(503, { code: 'ERR_CONSOLE_BUSY', message: 'busy' }, 86_400);
  expect(retryDelayMs(0, long, () => 0)).toBe(30_000);
});
