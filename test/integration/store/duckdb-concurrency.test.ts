import { readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { BatchLayout } from '../../../src/flow/batch.ts';
import { setFirstBits } from '../../../src/flow/bits.ts';
import { ANY, type MetricQuery } from '../../../src/query/ast.ts';
import { Database } from '../../../src/store/duckdb/database.ts';
import { Reader } from '../../../src/store/duckdb/reader.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { batchOf, openStore, temporaryFolder } from '../../support/store/duckdb-store.ts';

const START_MS = 1_795_000_000_000;
const RANGE = { startMs: START_MS, endMs: START_MS + 1e9 };
/** Minutes of work for any machine. */
const ENDLESS = 'SELECT sum(a.range * b.range) FROM range(1000000000) a, range(1000000000) b';

const TOTAL: MetricQuery = {
  range: RANGE,
  filter: ANY,
  packetLoss: 'all',
  type: 'Bytes',
  fn: 'sum',
  groupBy: [],
  limit: 1,
  stepMs: 1e9,
  rateIntervalMs: 1e9,
};

test('an aborted query is interrupted in the database, and gives its place back', async () => {
  const database = await Database.open({
    file: undefined,
    memoryLimitBytes: 64 * 2 ** 20,
    threads: 2,
  });
  const reader = new Reader(database, systemClock);
  const reason = new Error('the browser went away');
  // More than run at the same time, so that some are aborted while they wait.
  for (let round = 0; round < 3; round++) {
    const controllers = Array.from({ length: 4 }, () => new AbortController());
    const queries = controllers.map(({ signal }) =>
      reader.query(signal, (session) => session.run(ENDLESS)),
    );
    for (const controller of controllers.reverse()) controller.abort(reason);
    const results = await Promise.allSettled(queries);
    expect(results).toEqual(queries.map(() => ({ status: 'rejected', reason })));
  }
  const { signal } = new AbortController();
  const answer = await reader.query(signal, (session) => session.run('SELECT 42'));
  expect(answer).toEqual([[42]]);
  database.close();
});

test('a query that has begun its work ends within a moment of the abort', async () => {
  const database = await Database.open({
    file: undefined,
    memoryLimitBytes: 64 * 2 ** 20,
    threads: 2,
  });
  const reader = new Reader(database, systemClock);
  const controller = new AbortController();
  const began = Promise.withResolvers<void>();
  const query = reader.query(controller.signal, async (session) => {
    await session.run('SELECT 1');
    began.resolve();
    return session.run(ENDLESS);
  });
  await began.promise;
  // The query by itself would take years.
  const abortedMs = performance.now();
  controller.abort(new Error('enough'));
  await expect(query).rejects.toThrow('enough');
  expect(performance.now() - abortedMs).toBeLessThan(30_000);
  database.close();
});

test('draining ends the queries that run and those that wait', async () => {
  const database = await Database.open({
    file: undefined,
    memoryLimitBytes: 64 * 2 ** 20,
    threads: 2,
  });
  const reader = new Reader(database, systemClock);
  const { signal } = new AbortController();
  const queries = Array.from({ length: 4 }, () =>
    reader.query(signal, (session) => session.run(ENDLESS)),
  );
  const settled = Promise.allSettled(queries);
  await reader.drain();
  expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  database.close();
});

test('a checkpoint that a reader keeps from its work is told, not failed', async () => {
  using folder = temporaryFolder();
  const database = await Database.open({
    file: `${folder.path}/flows.duckdb`,
    memoryLimitBytes: 64 * 2 ** 20,
    threads: 2,
  });
  const writer = await database.connect();
  const reader = await database.connect();
  await writer.execute('CREATE TABLE a AS SELECT range AS x FROM range(1000)');
  expect(await writer.checkpoint()).toBe(true);
  await reader.execute('BEGIN');
  expect(await reader.run('SELECT max(x)::DOUBLE FROM a')).toEqual([[999]]);
  await writer.execute('DROP TABLE a');
  expect(await writer.checkpoint()).toBe(false);
  await reader.execute('ROLLBACK');
  expect(await writer.checkpoint()).toBe(true);
  reader.close();
  writer.close();
  database.close();
});

test('a signal that has fired already keeps the query from running', async () => {
  await using opened = await openStore();
  const reason = new Error('too late');
  await expect(opened.store.metrics(TOTAL, AbortSignal.abort(reason))).rejects.toBe(reason);
});

test('queries see all rows whose append has resolved, while more are appended', async () => {
  using folder = temporaryFolder();
  await using opened = await openStore({ dataDir: folder.path });
  const { signal } = new AbortController();
  const layout = new BatchLayout([
    { name: 'TimeFlowEndMs', kind: 'f64' },
    { name: 'Bytes', kind: 'f64' },
  ]);
  const batch = batchOf([], opened.tables.current, layout);
  batch.length = batch.capacity;
  batch.f64('TimeFlowEndMs').fill(START_MS);
  batch.f64('Bytes').fill(1);
  for (const name of ['TimeFlowEndMs', 'Bytes']) setFirstBits(batch.present(name), batch.length);
  let appended = 0;
  const appending = (async () => {
    for (let turn = 0; turn < 60; turn++) {
      await opened.store.append(batch);
      appended += batch.length;
    }
  })();
  for (let turn = 0; turn < 20; turn++) {
    const before = appended;
    const { series } = await opened.store.metrics(TOTAL, signal);
    expect(series[0]?.points[0]?.[1] ?? 0).toBeGreaterThanOrEqual(before);
  }
  await appending;
  const { series } = await opened.store.metrics(TOTAL, signal);
  expect(series[0]?.points).toEqual([[START_MS / 1000, 60 * batch.capacity]]);
  expect((await opened.store.status()).rows).toBe(60 * batch.capacity);
});

test('only selected rows are stored, also across full chunks', async () => {
  await using opened = await openStore();
  const { signal } = new AbortController();
  const rows = Array.from({ length: 4096 }, (_, index) => ({
    TimeFlowEndMs: START_MS + index,
    SrcPort: index,
    Proto: index % 256,
    Sampling: index,
    ...(index % 3 === 0 ? { Bytes: index } : {}),
    SrcAddr: `10.0.0.${index % 256}`,
    Interfaces: [`eth${index % 5}`],
  }));
  const batch = batchOf(rows, opened.tables.current);
  const odd = Uint32Array.from(rows.keys()).filter((row) => row % 2 === 1);
  batch.selection = odd;
  await opened.store.append(batch);
  const query = { range: RANGE, filter: ANY, packetLoss: 'all' as const, limit: 5000 };
  const result = await opened.store.records(query, signal);
  expect(result.rows).toEqual(rows.filter((_, index) => index % 2 === 1).reverse());
});

test('what arrives after stop is refused', async () => {
  await using opened = await openStore();
  await opened.store.stop();
  await expect(opened.append([{ TimeFlowEndMs: START_MS }])).rejects.toMatchObject({
    code: 'ERR_STORE_STOPPED',
  });
  expect(await opened.store.status()).toMatchObject({ ready: false });
});

/** A value for each thread of this process, by its number. */
function niceness(): ReadonlyMap<string, number> {
  const tasks = readdirSync('/proc/self/task');
  return new Map(tasks.map((task) => [task, getPriority(Number(task))]));
}

test('the threads of the database give way to ours, also when it is opened anew', async () => {
  using folder = temporaryFolder();
  await stat(folder.path);
  const before = niceness();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path, renewRows: 1, threads: 3 }, clock);
  for (const _turn of [1, 2]) {
    const after = [...niceness()];
    const news = after.filter(([task]) => !before.has(task)).map(([, nice]) => nice);
    expect(news).toEqual([5, 5].map((nice) => Math.min(19, getPriority(process.pid) + nice)));
    expect(new Map(after.filter(([task]) => before.has(task)))).toEqual(before);
    await opened.append([{ TimeFlowEndMs: START_MS, Bytes: 1 }]);
    await opened.store.flush();
    clock.now += 60_000;
    clock.tick();
    await opened.store.flush();
  }
  const renewals = opened.metrics.registry.getSingleMetric('test_store_renewals_total');
  expect((await renewals?.get())?.values[0]?.value).toBeGreaterThan(0);
});
