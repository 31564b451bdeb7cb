import { expect, test } from 'vitest';
import { runAll, runEach } from '../../../src/base/run-all.ts';

function steps(): { readonly done: string[]; readonly all: (() => unknown)[] } {
  const done: string[] = [];
  const step = (name: string, failure?: Error) => async (): Promise<void> => {
    await Promise.resolve();
    done.push(name);
    if (failure !== undefined) throw failure;
  };
  const all = [step('a'), step('b', new Error('of b')), step('c', new Error('of c')), step('d')];
  return { done, all };
}

test('every step runs in its turn, and the first failure is thrown at the end', async () => {
  const { done, all } = steps();
  await expect(runAll(all)).rejects.toThrow('of b');
  expect(done).toEqual(['a', 'b', 'c', 'd']);
});

test('a step that throws at once is as one that rejects', async () => {
  let reached = false;
  const thrower = (): void => {
    throw new Error('at once');
  };
  const last = (): void => {
    reached = true;
  };
  await expect(runAll([thrower, last])).rejects.toThrow('at once');
  expect(reached).toBe(true);
});

test('every failure is told of when it happens', async () => {
  const { done, all } = steps();
  await runEach(all, (error) => done.push((error as Error).message));
  expect(done).toEqual(['a', 'b', 'of b', 'c', 'of c', 'd']);
});
