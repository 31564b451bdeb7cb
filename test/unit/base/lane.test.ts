import { expect, test } from 'vitest';
import { Lane } from '../../../src/base/lane.ts';
import { settle } from '../../support/manual-clock.ts';

const ONE = { runningMax: 1, waitingMax: 2000 };

test('tasks run one at a time, in order, also after one that fails', async () => {
  const lane = new Lane(ONE);
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
  const lane = new Lane(ONE);
  const gate = Promise.withResolvers<void>();
  const abort = new AbortController();
  let ran = 0;
  const count = async (): Promise<number> => ++ran;
  const first = lane.run(() => gate.promise);
  const second = lane.run(count, { signal: abort.signal });
  const third = lane.run(count);
  abort.abort();
  expect(await second).toBeUndefined();
  gate.resolve();
  await first;
  expect(await third).toBe(1);
  expect(await lane.run(count, { signal: abort.signal })).toBeUndefined();
  expect(await lane.run(count)).toBe(2);
});

test('one who asks for much does not keep the others waiting', async () => {
  const lane = new Lane(ONE);
  const log: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = lane.run(() => gate.promise);
  const ask = (of: string, count: number): Promise<unknown>[] =>
    Array.from({ length: count }, (_, at) => lane.run(async () => log.push(`${of}${at}`), { of }));
  const ends = [...ask('many', 1000), ...ask('few', 2), ...ask('one', 1)];
  gate.resolve();
  await Promise.all([first, ...ends]);
  expect(log.slice(0, 6)).toEqual(['many0', 'few0', 'one0', 'many1', 'few1', 'many2']);
  expect(log).toHaveLength(1003);
});

test('a lane counts, refuses more than may wait, and hands turns over', async () => {
  const counts: (readonly [running: number, waiting: number])[] = [];
  const onChange = (...count: [number, number]): void => void counts.push(count);
  const lane = new Lane({ runningMax: 2, waitingMax: 1, onChange });
  const abort = new AbortController();

  expect(await Promise.all([lane.enter(), lane.enter()])).toEqual(['entered', 'entered']);
  const waiting = lane.enter({ signal: abort.signal });
  expect(await lane.enter()).toBe('full');
  await expect(lane.run(() => Promise.resolve())).rejects.toThrow('no more than 1 tasks');
  abort.abort();
  expect(await waiting).toBe('aborted');

  const next = lane.enter();
  lane.leave();
  expect(await next).toBe('entered');
  lane.leave();
  lane.leave();
  expect([lane.running, lane.waiting]).toEqual([0, 0]);
  expect(counts).toEqual([
    [1, 0],
    [2, 0],
    [2, 1],
    [2, 0],
    [2, 1],
    [2, 0],
    [1, 0],
    [0, 0],
  ]);
});
