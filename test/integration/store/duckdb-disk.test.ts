import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { explain } from '../../../src/base/errors.ts';
import { ANY, type MetricQuery } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { requireRoot } from '../../support/require.ts';
import { openStore, type TestStore, temporaryFolder } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const RANGE = { startMs: START_MS, endMs: START_MS + 1e10 };
const MIB = 1024 ** 2;

const TOTAL: MetricQuery = {
  range: RANGE,
  filter: ANY,
  packetLoss: 'all',
  type: 'Flows',
  fn: 'count',
  groupBy: [],
  limit: 1,
  stepMs: 1e10,
  rateIntervalMs: 1e10,
};

async function countFlows(store: FlowStore): Promise<number> {
  const { series } = await store.metrics(TOTAL, signal);
  return series[0]?.points[0]?.[1] ?? 0;
}

/** A separate file system, which can be filled without harm. */
function smallDisk(path: string, sizeMib: number): Disposable {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMib}m`, 'tmpfs', path]);
  return { [Symbol.dispose]: () => void execFileSync('umount', ['-l', path]) };
}

/** Rows that are hard to compress, so that few of them fill a disk. */
const bulky = (count: number, turn: number) =>
  Array.from({ length: count }, (_, index) => ({
    TimeFlowEndMs: START_MS + turn,
    SrcK8S_Namespace: `${turn}-${Math.imul(index + 1, 0x9e3779b1) >>> 0}`.repeat(12),
  }));

const one = (atMs: number) => [{ TimeFlowEndMs: atMs, Bytes: 1 }];

/** Lets the work of a tick end: it queues behind that work. */
async function tick(clock: ManualClock, { store }: TestStore, ms: number): Promise<void> {
  clock.now += ms;
  clock.tick();
  await store.flush().catch(() => undefined);
}

function expectBooks({ store }: TestStore, appended: number): void {
  const { durable, lost } = store.outcome?.() ?? { durable: 0, lost: 0 };
  expect(durable + lost).toBe(appended);
}

test.skipIf(requireRoot())(
  'a full disk loses what does not fit, says so, and is survived',
  async () => {
    using folder = temporaryFolder();
    using _disk = smallDisk(folder.path, 24);
    await using opened = await openStore({ dataDir: folder.path });
    const { store } = opened;
    await opened.append(one(START_MS));
    await store.flush();
    const filler = join(folder.path, 'filler');
    expect(() => writeFileSync(filler, Buffer.alloc(64 * MIB))).toThrow();
    await opened.append(bulky(4000, 1));
    expect(store.outcome?.()).toEqual({ durable: 1, lost: 0 });
    await expect(store.flush()).rejects.toMatchObject({
      code: 'ERR_STORE_DISK_FULL',
      retryable: true,
    });
    expect(await store.status()).toMatchObject({ ready: false });
    expect(store.outcome?.()).toEqual({ durable: 1, lost: 4000 });
    // An empty write does not prove that writing works.
    await store.flush();
    expect(await store.status()).toMatchObject({ ready: false });
    truncateSync(filler, 0);
    await opened.append(one(START_MS + 1));
    expect(await countFlows(store)).toBe(2);
    expect(await store.status()).toMatchObject({ ready: true, rows: 2 });
    expectBooks(opened, 4002);
    const lost = await opened.metrics.registry
      .getSingleMetric('test_store_lost_flows_total')
      ?.get();
    expect(lost?.values[0]?.value).toBe(4000);
  },
);

test.skipIf(requireRoot())('old flows make room before the disk is full', async () => {
  using folder = temporaryFolder();
  using _disk = smallDisk(folder.path, 64);
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path }, clock);
  for (let turn = 0; turn < 200; turn++) {
    await opened.append(bulky(4000, turn));
    await opened.store.flush();
    await tick(clock, opened, 60_000);
  }
  expectBooks(opened, 200 * 4000);
  const { ready, rows, newestMs, oldestMs } = await opened.store.status();
  expect(ready).toBe(true);
  expect(opened.store.outcome?.().lost).toBe(0);
  expect(rows).toBeGreaterThan(4000);
  expect(rows).toBeLessThan(200 * 4000);
  expect(newestMs).toBe(START_MS + 199);
  expect(oldestMs).toBeGreaterThan(START_MS);
});

test.each<[string, (folder: string) => void]>([
  ['is removed', (folder) => rmSync(folder, { recursive: true })],
  ['is moved away', (folder) => renameSync(folder, `${folder}-moved`)],
  [
    'is replaced',
    (folder) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    },
  ],
])('a folder that %s while it is used is made again', async (_what, remove) => {
  using parent = temporaryFolder();
  const folder = join(parent.path, 'data');
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder }, clock);
  await opened.append(one(START_MS));
  await opened.store.flush();
  remove(folder);
  // These rows went to a file that nobody will find, so they are not reported as durable.
  await opened.append(one(START_MS + 1));
  await expect(opened.store.flush()).rejects.toMatchObject({ code: 'ERR_STORE_REMOVED' });
  expect(opened.store.outcome?.()).toEqual({ durable: 1, lost: 1 });
  await opened.append(one(START_MS + 2));
  await opened.store.flush();
  expect(await opened.store.status()).toMatchObject({ ready: true, rows: 1 });
  expectBooks(opened, 3);
  await opened.store.stop();
  await using again = await openStore({ dataDir: folder }, clock);
  expect(await countFlows(again.store)).toBe(1);
});

test('a folder that goes while nothing is written is made again by itself', async () => {
  using parent = temporaryFolder();
  const folder = join(parent.path, 'data');
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder }, clock);
  rmSync(folder, { recursive: true });
  await tick(clock, opened, 1000);
  expect(statSync(join(folder, 'flows.duckdb')).size).toBeGreaterThan(0);
  await opened.append(one(START_MS));
  await opened.store.flush();
  const { ready, rows, warnings } = await opened.store.status();
  expect([ready, rows, warnings?.join()]).toEqual([true, 1, expect.stringContaining('removed')]);
});

test.skipIf(requireRoot())('a disk that is read-only for a while is written to again', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path }, clock);
  await opened.append(one(START_MS));
  await opened.store.flush();
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder.path]);
  try {
    await tick(clock, opened, 1000);
    await expect(opened.append(one(START_MS + 1))).rejects.toMatchObject({
      code: 'ERR_STORE_STOPPED',
    });
    expect(await opened.store.status()).toMatchObject({ ready: false });
    expectBooks(opened, 2);
  } finally {
    execFileSync('umount', ['-l', folder.path]);
  }
  await tick(clock, opened, 6000);
  await opened.append(one(START_MS + 2));
  await opened.store.flush();
  expect(await opened.store.status()).toMatchObject({ ready: true, rows: 2 });
  expectBooks(opened, 3);
});

test('while the store cannot be opened its reason is told, and then what was lost', async () => {
  using parent = temporaryFolder();
  const folder = join(parent.path, 'data');
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder }, clock);
  const fail = async (): Promise<void> => {
    await tick(clock, opened, 1000);
    await opened.append(one(clock.now)).catch(() => undefined);
  };
  await opened.append(one(START_MS));
  await opened.store.flush();
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'in the way');
  for (let turn = 0; turn < 20; turn++) await fail();
  const { ready, error } = await opened.store.status();
  expect([ready, error]).toEqual([false, expect.stringMatching(/cannot be written.*EEXIST/)]);
  expect(error).not.toContain('not open');
  rmSync(folder);
  for (let turn = 0; turn < 12; turn++) await fail();
  const { lost } = opened.store.outcome?.() ?? { lost: 0 };
  expect(lost).toBeGreaterThan(10);
  const { warnings } = await opened.store.status();
  expect(warnings?.join()).toMatch(new RegExp(`${lost} flows could not be written .*EEXIST`));
  await opened.store.flush();
  expectBooks(opened, 33);
});

test('while the way to the folder is closed nothing ends, and then writing goes on', async () => {
  using parent = temporaryFolder();
  const folder = join(parent.path, 'data');
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder }, clock);
  await opened.append(one(START_MS));
  await opened.store.flush();
  renameSync(folder, `${folder}-away`);
  // Neither present nor missing, like a folder without permissions to an unprivileged user.
  symlinkSync(folder, folder);
  for (let turn = 0; turn < 3; turn++) await tick(clock, opened, 6000);
  expect(await opened.store.status()).toMatchObject({
    ready: false,
    error: expect.stringContaining('ELOOP'),
  });
  rmSync(folder);
  renameSync(`${folder}-away`, folder);
  await tick(clock, opened, 6000);
  await opened.append(one(START_MS + 1));
  await opened.store.flush();
  expect(await opened.store.status()).toMatchObject({ ready: true, rows: 2 });
  expectBooks(opened, 2);
});

test('a clock that is behind what was kept is told', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path }, clock);
  await opened.append(one(START_MS));
  expect((await opened.store.status()).warnings).toEqual([]);
  clock.setByMs = -3_600_000;
  expect((await opened.store.status()).warnings?.join()).toContain('set the clock');
});

test('files are for their owner only, whatever the umask', async () => {
  using parent = temporaryFolder();
  const folder = join(parent.path, 'data');
  const before = process.umask(0);
  try {
    await using opened = await openStore({ dataDir: folder });
    await opened.append(one(START_MS));
    await opened.store.flush();
    await opened.store.stop();
    await using again = await openStore({ dataDir: folder });
    await again.append(one(START_MS));
    await again.store.flush();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) {
      const { mode } = statSync(join(folder, name));
      expect([name, mode & 0o077]).toEqual([name, 0]);
    }
  } finally {
    process.umask(before);
  }
});

test('links in the folder lead to nothing that is changed', async () => {
  using folder = temporaryFolder();
  using elsewhere = temporaryFolder();
  chmodSync(elsewhere.path, 0o755);
  const victim = join(elsewhere.path, 'victim');
  writeFileSync(victim, 'of somebody else'.repeat(1000), { mode: 0o644 });
  symlinkSync(elsewhere.path, join(folder.path, 'flows.duckdb.tmp'));
  {
    await using opened = await openStore({ dataDir: folder.path });
    await opened.append(one(START_MS));
  }
  expect(statSync(elsewhere.path).mode & 0o777).toBe(0o755);
  symlinkSync(victim, join(folder.path, 'flows.duckdb.wal'));
  await expect(openStore({ dataDir: folder.path })).rejects.toMatchObject({
    code: 'ERR_STORE_ACCESS',
    message: expect.stringContaining('not a regular file'),
  });
  expect(readFileSync(victim, 'utf8')).toBe('of somebody else'.repeat(1000));
  expect(statSync(victim).mode & 0o777).toBe(0o644);
});

test.each([
  ['with a question mark', 'a?b', '"?"'],
  ['that is too long', 'x'.repeat(300), 'ENAMETOOLONG'],
])('a folder %s is refused with the reason', async (_what, name, reason) => {
  using parent = temporaryFolder();
  const error: unknown = await openStore({ dataDir: join(parent.path, name) }).catch((e) => e);
  expect(error).toMatchObject({ code: 'ERR_STORE_ACCESS' });
  expect(explain(error)).toContain(reason);
});

test('a name that means a service to the database is that of a folder', async () => {
  using parent = temporaryFolder();
  const dataDir = relative(process.cwd(), join(parent.path, 'md:flows \'"%3f;#*[a]'));
  await using opened = await openStore({ dataDir });
  await opened.append(one(START_MS));
  await opened.store.flush();
  expect(statSync(join(dataDir, 'flows.duckdb')).isFile()).toBe(true);
});

test('too little memory for any flow is told as such', async () => {
  using folder = temporaryFolder();
  await using opened = await openStore({ dataDir: folder.path, memoryLimitBytes: MIB });
  const failing = opened.append(bulky(4000, 1)).then(() => opened.store.flush());
  await expect(failing).rejects.toMatchObject({
    code: 'ERR_STORE_MEMORY',
    message: expect.stringContaining('--store-memory'),
  });
  expectBooks(opened, 4000);
});

test('what a killed process had spilled is removed, and nothing else', async () => {
  using folder = temporaryFolder();
  const spill = join(folder.path, 'flows.duckdb.tmp');
  mkdirSync(spill);
  for (const name of ['duckdb_temp_storage_S32K-0.tmp', 'duckdb_temp_block-7.block', 'notes.tmp']) {
    writeFileSync(join(spill, name), 'x');
  }
  writeFileSync(join(folder.path, 'duckdb_temp_block-7.block'), 'x');
  await using _opened = await openStore({ dataDir: folder.path });
  expect(readdirSync(spill)).toEqual(['notes.tmp']);
  expect(readdirSync(folder.path)).toContain('duckdb_temp_block-7.block');
});
