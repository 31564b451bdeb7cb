import { expect, test } from 'vitest';
import { Lane } from '../../../src/base/lane.ts';
import { settle } from '../../support/manual-clock.ts';

test('tasks run one at a time, in order, also after one that fails', async () => {
  const lane = new Lane();
  const log: string[] = [];
  const gates = [0, 1, 2].map(() => Promise.withResolvers<void>());
  const ends = gates.map((gate, at) =>
    lane.run(async () => {
      log.push(`begin ${at}`);
      await gate.promise;
      log.push(`end ${at}`);
      return at;
    }),
  );
  ends[1]?.catch(() => undefined);
  gates[2]?.resolve();
  await settle();
  expect(log).toEqual(['begin 0']);
  gates[0]?.resolve();
  gates[1]?.reject(new Error('no'));
  const results = await Promise.allSettled(ends);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(log).toEqual(['begin 0', 'end 0', 'begin 1', 'begin 2', 'end 2']);
});

test('whoever gives up leaves the queue at once, and the others move on', async () => {
  const lane = new Lane();
  const gate = Promise.withResolvers<void>();
  const abort = new AbortController();
  let ran = 0;
  const count = async (): Promise<number> => ++ran;
  const first = lane.run(() => gate.promise);
  const second = lane.run(count, abort.signal);
  const third = lane.run(count);
  abort.abort();
  expect(await second).toBeUndefined();
  gate.resolve();
  await first;
  expect(await third).toBe(1);
  expect(await lane.run(count, abort.signal)).toBeUndefined();
  expect(await lane.run(count)).toBe(2);
});
