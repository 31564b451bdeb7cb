import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TaskGroup } from '../../../src/base/task-group.ts';

/** Ends when the group is cancelled, by rejecting with its reason, as well-bred tasks do. */
function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

test('the first failure cancels the others and is what wait rejects with', async () => {
  const group = new TaskGroup();
  const failure = new Error('first');
  let cancelledBy: unknown;
  group.run(async (signal) => {
    await untilAborted(signal).catch((reason: unknown) => {
      cancelledBy = reason;
      throw new Error('while stopping');
    });
  });
  group.run(async () => {
    await nextTurn();
    throw failure;
  });
  await expect(group.wait()).rejects.toBe(failure);
  expect(cancelledBy).toBe(failure);
});

test('a task that throws at once fails the group like any other', async () => {
  const group = new TaskGroup();
  group.run(() => {
    throw new Error('at once');
  });
  await expect(group.wait()).rejects.toThrow('at once');
  expect(group.signal.aborted).toBe(true);
});

test('tasks that end leave the others alone, and wait covers those started meanwhile', async () => {
  const group = new TaskGroup();
  const ended: string[] = [];
  group.run(async () => {
    await nextTurn();
    group.run(async () => {
      await nextTurn();
      ended.push('second');
    });
    ended.push('first');
  });
  await group.wait();
  expect(ended).toEqual(['first', 'second']);
  expect(group.signal.aborted).toBe(false);
});

test('a task that rejects because it was cancelled has not failed', async () => {
  const group = new TaskGroup();
  group.run(untilAborted);
  group.cancel(new Error('shutdown'));
  await expect(group.wait()).resolves.toBeUndefined();
});

test('a failure that is undefined is a failure', async () => {
  const group = new TaskGroup();
  group.run(() => Promise.reject(undefined));
  await expect(group.wait()).rejects.toBeUndefined();
});
