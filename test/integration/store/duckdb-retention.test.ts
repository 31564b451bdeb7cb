import { expect, test } from 'vitest';
import { BatchLayout } from '../../../src/flow/batch.ts';
import { ANY } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import {
  openStore,
  STORE_LAYOUT,
  type TestStore,
  temporaryFolder,
} from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const START_MS = 1_795_000_000_000;
const EVERYTHING = { startMs: 0, endMs: START_MS * 2 };

async function names(store: FlowStore): Promise<unknown[]> {
  const query = { range: EVERYTHING, filter: ANY, packetLoss: 'all' as const, limit: 1000 };
  const { rows } = await store.records(query, signal);
  return rows.map((row) => row.SrcK8S_Namespace);
}

test('rows past their age go, by whole partitions', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path, retentionMs: 24 * HOUR_MS }, clock);
  await live(opened, clock, 0, 30);
  const kept = await names(opened.store);
  expect(kept[0]).toBe('hour-29');
  expect(kept.at(-1)).toBe('hour-5');
  expect(await opened.store.status()).toMatchObject({ oldestMs: START_MS + 5 * HOUR_MS });
});

/** A row per hour, from the first to before the last, named by the hour. */
async function live(
  { append, store }: TestStore,
  clock: ManualClock,
  first: number,
  last: number,
): Promise<void> {
  for (let hour = first; hour < last; hour++) {
    clock.now = START_MS + hour * HOUR_MS;
    await append([{ TimeFlowEndMs: clock.nowMs(), SrcK8S_Namespace: `hour-${hour}` }]);
    clock.tick();
    // It queues behind the tick's work.
    await store.flush();
  }
}

const hours = (first: number, last: number): string[] =>
  Array.from({ length: last - first }, (_, index) => `hour-${first + index}`);

test.each([
  ['forward', YEAR_MS],
  ['back', -YEAR_MS],
])('a clock set %s by a year drops nothing, and rows go on to age', async (_way, setByMs) => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path, retentionMs: 24 * HOUR_MS }, clock);
  await live(opened, clock, 0, 12);
  clock.setByMs = setByMs;
  await live(opened, clock, 12, 24);
  expect((await names(opened.store)).toSorted()).toEqual(hours(0, 24).toSorted());
  await live(opened, clock, 24, 30);
  expect((await names(opened.store)).toSorted()).toEqual(hours(5, 30).toSorted());
  await live(opened, clock, 30, 45);
  expect((await names(opened.store)).toSorted()).toEqual(hours(20, 45).toSorted());
});

test('what was kept ages while the store is closed', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  {
    await using opened = await openStore(config, clock);
    await live(opened, clock, 0, 12);
  }
  clock.now = START_MS + 30 * HOUR_MS;
  await using opened = await openStore(config, clock);
  await live(opened, clock, 30, 31);
  expect((await names(opened.store)).toSorted()).toEqual([...hours(6, 12), 'hour-30'].toSorted());
});

test('rows of a clock that was ahead before the start go in the end', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  clock.setByMs = YEAR_MS;
  {
    await using opened = await openStore(config, clock);
    await live(opened, clock, 0, 2);
  }
  clock.setByMs = 0;
  await using opened = await openStore(config, clock);
  await live(opened, clock, 2, 20);
  expect((await names(opened.store)).toSorted()).toEqual(hours(0, 20).toSorted());
  await live(opened, clock, 20, 40);
  expect((await names(opened.store)).toSorted()).toEqual(hours(15, 40).toSorted());
});

test('rows of a clock that was behind when it started are as old as they are', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  clock.setByMs = -72 * HOUR_MS;
  {
    await using opened = await openStore(config, clock);
    await opened.append([{ TimeFlowEndMs: clock.nowMs(), SrcK8S_Namespace: 'before' }]);
    clock.setByMs = 0;
    await live(opened, clock, 0, 3);
  }
  await using opened = await openStore(config, clock);
  await live(opened, clock, 3, 20);
  expect((await names(opened.store)).toSorted()).toEqual(['before', ...hours(0, 20)].toSorted());
  await live(opened, clock, 20, 40);
  expect((await names(opened.store)).toSorted()).toEqual(hours(15, 40).toSorted());
});

test.each([
  ['two days ahead', 48 * HOUR_MS],
  ['a year ahead', YEAR_MS],
])('a start with a clock %s that is set right later drops nothing', async (_how, setByMs) => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  {
    await using opened = await openStore(config, clock);
    await live(opened, clock, 0, 12);
  }
  clock.now = START_MS + 12 * HOUR_MS;
  clock.setByMs = setByMs;
  await using opened = await openStore(config, clock);
  // Two flows of the future, at once and half an hour later.
  await live(opened, clock, 12, 13);
  clock.now += HOUR_MS / 2;
  clock.tick();
  await opened.store.flush();
  clock.setByMs = 0;
  expect((await names(opened.store)).length).toBe(13);
  await live(opened, clock, 13, 24);
  expect((await names(opened.store)).toSorted()).toEqual(hours(0, 24).toSorted());
  await live(opened, clock, 24, 30);
  expect((await names(opened.store)).toSorted()).toEqual(hours(5, 30).toSorted());
});

test('after days without it, the store drops what is old once the clock is beyond doubt', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  {
    await using opened = await openStore(config, clock);
    await live(opened, clock, 0, 12);
  }
  clock.now = START_MS + 100 * HOUR_MS;
  await using opened = await openStore(config, clock);
  await live(opened, clock, 100, 101);
  expect((await names(opened.store)).length).toBe(13);
  await live(opened, clock, 101, 103);
  expect((await names(opened.store)).toSorted()).toEqual(hours(100, 103).toSorted());
});

test('everything goes when nothing new comes, and new rows find a store that works', async () => {
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ retentionMs: HOUR_MS }, clock);
  await opened.append([{ TimeFlowEndMs: clock.now, SrcK8S_Namespace: 'old' }]);
  await opened.store.flush();
  clock.now += 3 * HOUR_MS;
  clock.tick();
  // It queues behind the tick's work.
  await opened.store.flush();
  expect(await names(opened.store)).toEqual([]);
  await opened.append([{ TimeFlowEndMs: clock.now, SrcK8S_Namespace: 'new' }]);
  expect(await names(opened.store)).toEqual(['new']);
});

test('the size limit drops the oldest rows, and the file stops growing', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const sizeLimitBytes = 16 * 2 ** 20;
  await using opened = await openStore({ dataDir: folder.path, sizeLimitBytes }, clock);
  const sizes: number[] = [];
  for (let turn = 0; turn < 40; turn++) {
    const rows = Array.from({ length: 4000 }, (_, index) => ({
      TimeFlowEndMs: START_MS + turn,
      // Hard to compress, so that few rows fill the store.
      SrcK8S_Namespace: `${turn}-${Math.imul(index + 1, 0x9e3779b1) >>> 0}`.repeat(12),
    }));
    await opened.append(rows);
    await opened.store.flush();
    clock.now += 60_000;
    clock.tick();
    await opened.store.flush();
    sizes.push((await opened.store.status()).sizeBytes);
  }
  const { rows, newestMs, oldestMs } = await opened.store.status();
  expect(rows).toBeLessThan(160_000);
  expect(rows).toBeGreaterThan(8000);
  expect(newestMs).toBe(START_MS + 39);
  expect(oldestMs).toBeGreaterThan(START_MS);
  // The log, and one partition's worth of blocks, may be added.
  expect(Math.max(...sizes)).toBeLessThan(sizeLimitBytes * 2.5);
});

test('a query that runs while its flows are dropped ends well, and nothing fails', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  const config = { dataDir: folder.path, retentionMs: 24 * HOUR_MS };
  await using opened = await openStore(config, clock);
  await live(opened, clock, 0, 24);
  const asked = Array.from({ length: 6 }, () => names(opened.store));
  await live(opened, clock, 24, 40);
  for (const found of await Promise.all(asked)) expect(found.length).toBeGreaterThan(0);
  expect(await opened.store.status()).toMatchObject({ ready: true });
  expect((await names(opened.store)).toSorted()).toEqual(hours(15, 40).toSorted());
});

test('layouts with other columns share the store', async () => {
  await using opened = await openStore();
  const wide = new BatchLayout([
    ...STORE_LAYOUT.columns,
    { name: 'DnsName', kind: 'str' },
    { name: 'no_field_of_ours', kind: 'str' },
  ]);
  const narrow = new BatchLayout([
    { name: 'TimeFlowEndMs', kind: 'f64' },
    { name: 'Bytes', kind: 'f64' },
  ]);
  await opened.append([{ TimeFlowEndMs: START_MS, SrcPort: 1 }]);
  await opened.append([{ TimeFlowEndMs: START_MS + 1, SrcPort: 2, DnsName: 'example.org' }], wide);
  await opened.append([{ TimeFlowEndMs: START_MS + 2, Bytes: 3 }], narrow);
  await opened.append([{ TimeFlowEndMs: START_MS + 3, SrcPort: 4, DnsName: 'example.net' }], wide);
  const query = { range: EVERYTHING, filter: ANY, packetLoss: 'all' as const, limit: 10 };
  expect((await opened.store.records(query, signal)).rows).toEqual([
    { TimeFlowEndMs: START_MS + 3, SrcPort: 4, DnsName: 'example.net' },
    { TimeFlowEndMs: START_MS + 2, Bytes: 3 },
    { TimeFlowEndMs: START_MS + 1, SrcPort: 2, DnsName: 'example.org' },
    { TimeFlowEndMs: START_MS, SrcPort: 1 },
  ]);
});
