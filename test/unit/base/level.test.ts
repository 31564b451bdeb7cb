import { expect, test } from 'vitest';
import { Level } from '../../../src/base/level.ts';
import { settle } from '../../support/manual-clock.ts';

test('requests during a run are answered by one more', async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  const level = new Level(() => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return gate.promise;
  });
  const ends: number[] = [];
  for (const at of [0, 1, 2]) void level.request().then(() => ends.push(at));
  expect(gates).toHaveLength(1);
  gates[0]?.resolve();
  await settle();
  expect(gates).toHaveLength(2);
  expect(ends).toEqual([]);
  gates[1]?.resolve();
  await level.idle();
  await settle();
  expect(ends).toEqual([0, 1, 2]);
  expect(gates).toHaveLength(2);
});

test('a run that fails is told to those who wait, and the next one runs', async () => {
  let runs = 0;
  const level = new Level(async () => {
    if (++runs === 1) throw new Error('no');
  });
  await expect(level.request()).rejects.toThrow('no');
  await level.request();
  expect(runs).toBe(2);
});
