import { MessageChannel } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NetobservError } from '../../../../../src/base/errors.ts';
import { type Answers, answerCalls, Calls } from '../../../../../src/commands/up/console/calls.ts';
import { errorRow } from '../../../../support/error-row.ts';

let channel: MessageChannel;
beforeEach(() => {
  channel = new MessageChannel();
});
afterEach(() => {
  channel.port1.close();
  channel.port2.close();
});

function callsTo(answers: Answers): Calls {
  answerCalls(channel.port2, answers);
  return new Calls(channel.port1);
}

test('each call gets its own answer, whatever the order in which they come', async () => {
  const first = Promise.withResolvers<string>();
  const calls = callsTo({
    slow: () => first.promise,
    quick: (argument: { a: number }) => argument,
  });
  const slow = calls.make('slow');
  expect(await calls.make('quick', { a: 1 })).toEqual({ a: 1 });
  first.resolve('late');
  expect(await slow).toBe('late');
});

test('a coded error arrives with its code, details and what caused it', async () => {
  const cause = new Error('disk', { cause: new Error('ENOSPC') });
  const calls = callsTo({
    fails: () => {
      throw new NetobservError(errorRow('ERR_STORE_X'), 'no', {
        cause,
        retryable: true,
        details: { row: 7 },
      });
    },
  });
  const error = await calls.make('fails').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(NetobservError);
  expect(error).toMatchObject({
    code: 'ERR_STORE_X',
    message: 'no',
    retryable: true,
    details: { row: 7 },
    cause: { message: 'disk: ENOSPC' },
  });
});

test('an error without a code stays one', async () => {
  const calls = callsTo({ fails: () => Promise.reject(new TypeError('x is not y')) });
  const error = await calls.make('fails').catch((reason: unknown) => reason);
  expect(error).not.toBeInstanceOf(NetobservError);
  expect(error).toMatchObject({ message: 'x is not y' });
});

test('who hangs up hears at once why, and the work is aborted on the other side', async () => {
  const aborted = Promise.withResolvers<boolean>();
  const never = Promise.withResolvers<void>();
  const calls = callsTo({
    works: (_: undefined, signal) => {
      signal.addEventListener('abort', () => aborted.resolve(true));
      return never.promise;
    },
  });
  const client = new AbortController();
  const call = calls.make('works', undefined, client.signal);
  const reason = new Error('gone');
  client.abort(reason);
  await expect(call).rejects.toBe(reason);
  expect(await aborted.promise).toBe(true);
  await expect(calls.make('works', undefined, client.signal)).rejects.toBe(reason);
});

test('only so many calls wait at a time', async () => {
  const open = Promise.withResolvers<void>();
  const calls = callsTo({ waits: () => open.promise });
  const waiting = Array.from({ length: 256 }, () => calls.make('waits'));
  await expect(calls.make('waits')).rejects.toMatchObject({ code: 'ERR_THREAD_BUSY' });
  open.resolve();
  await Promise.all(waiting);
  await calls.make('waits');
});
