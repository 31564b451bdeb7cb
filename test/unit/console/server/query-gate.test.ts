import { expect, test } from 'vitest';
import { createConsoleMetrics } from '../../../../src/console/server/metrics.ts';
import { QueryGate } from '../../../../src/console/server/query-gate.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { gate, metricValue } from './harness.ts';

function setUp(limits: { concurrent?: number; queued?: number } = {}) {
  const clock = new ManualClock();
  const metrics = createMetrics('');
  const queries = new QueryGate(
    clock,
    {
      concurrentQueriesMax: limits.concurrent ?? 1,
      queuedQueriesMax: limits.queued ?? 1,
      queryTimeoutMs: 1000,
    },
    createConsoleMetrics(metrics),
  );
  return { clock, metrics, queries };
}

const never = new AbortController().signal;

test('queries wait in order and none is lost', async () => {
  const { queries, clock } = setUp({ concurrent: 1, queued: 2 });
  const first = gate<string>();
  const order: string[] = [];
  const answers = [
    queries.run(never, () => first.promise),
    queries.run(never, async () => order.push('second')),
    queries.run(never, async () => order.push('third')),
  ];
  first.resolve('first');
  expect(await Promise.all(answers)).toEqual(['first', 1, 2]);
  expect(order).toEqual(['second', 'third']);
  expect(clock.waiting).toBe(0);
});

test('more than may wait are refused, and may come again', async () => {
  const { queries, metrics } = setUp({ concurrent: 1, queued: 1 });
  const first = gate();
  const running = queries.run(never, () => first.promise);
  const waiting = queries.run(never, async () => 'waited');
  await expect(queries.run(never, async () => 'no')).rejects.toMatchObject({
    code: 'ERR_CONSOLE_BUSY',
    context: { retryAfterS: 1 },
  });
  const rejected = 'console_rejected_requests_total{reason="queries_busy"}';
  expect(await metricValue(metrics, rejected)).toBe(1);
  first.resolve();
  await running;
  expect(await waiting).toBe('waited');
  expect(await queries.run(never, async () => 'again')).toBe('again');
});

test('a query that waits until its deadline is told that others were in its way', async () => {
  const { queries, clock } = setUp({ concurrent: 1, queued: 1 });
  const stuck = gate();
  const running = queries.run(never, () => stuck.promise).catch(() => 'ended');
  const waiting = queries.run(never, async () => 'never');
  clock.jump(1000);
  await expect(waiting).rejects.toMatchObject({
    code: 'ERR_CONSOLE_BUSY',
    status: 503,
    context: { retryAfterS: 1 },
  });
  stuck.resolve();
  await running;
});

test('the deadline answers for a store that does not obey, whose slot stays taken', async () => {
  const { queries, clock, metrics } = setUp({ concurrent: 1, queued: 1 });
  const stuck = gate();
  let seen: AbortSignal | undefined;
  const answer = queries.run(never, (signal) => {
    seen = signal;
    return stuck.promise;
  });
  clock.jump(1000);
  await expect(answer).rejects.toMatchObject({
    code: 'ERR_CONSOLE_QUERY_TIMEOUT',
    message: expect.stringContaining('1 s'),
  });
  expect(seen?.aborted).toBe(true);
  expect(await metricValue(metrics, 'console_queries_running')).toBe(1);

  const next = queries.run(never, async () => 'next');
  expect(await metricValue(metrics, 'console_queries_waiting')).toBe(1);
  stuck.reject(new Error('cancelled at last'));
  expect(await next).toBe('next');
  expect(await metricValue(metrics, 'console_queries_running')).toBe(0);
});

test('a client that leaves while waiting gives up its place', async () => {
  const { queries, metrics } = setUp({ concurrent: 1, queued: 1 });
  const first = gate();
  const running = queries.run(never, () => first.promise);
  const client = new AbortController();
  const waiting = queries.run(client.signal, async () => 'never');
  client.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  expect(await metricValue(metrics, 'console_queries_waiting')).toBe(0);
  first.resolve();
  await running;
});

test('the end of the server aborts what runs, and refuses what comes', async () => {
  const { queries } = setUp();
  const running = queries.run(
    never,
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );
  queries.stop();
  await expect(running).rejects.toMatchObject({ code: 'ERR_CONSOLE_STOPPING' });
  await expect(queries.run(never, async () => 1)).rejects.toMatchObject({
    code: 'ERR_CONSOLE_STOPPING',
  });
});

test('a query that throws at once frees its slot', async () => {
  const { queries } = setUp();
  const broken = queries.run(never, () => {
    throw new Error('at once');
  });
  await expect(broken).rejects.toThrow('at once');
  expect(await queries.run(never, async () => 'fine')).toBe('fine');
});
