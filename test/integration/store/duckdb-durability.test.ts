import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { ANY, type MetricQuery } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openStore, temporaryFolder } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const RANGE = { startMs: START_MS, endMs: START_MS + 1e10 };

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

function startChild(folder: string): ChildProcess {
  const script = join(import.meta.dirname, '../../support/store/store-child.ts');
  return spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Resolves with the first number of durable flows that reaches `wanted`. */
async function durableFlows(child: ChildProcess, wanted: number): Promise<number> {
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface(child.stdout)) {
    if (Number(line) >= wanted) return Number(line);
  }
  throw new Error('the child ended early');
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test('after SIGKILL everything that was flushed is there, and names are whole', async () => {
  using folder = temporaryFolder();
  let before = 0;
  // The second and third round append to the file of a killed process.
  for (const wanted of [3000, 30_000, 150_000]) {
    const child = startChild(folder.path);
    const durable = await durableFlows(child, wanted);
    await kill(child);
    await using opened = await openStore({ dataDir: folder.path });
    const found = await countFlows(opened.store);
    expect(found).toBeGreaterThanOrEqual(before + durable);
    const byName = { ...TOTAL, groupBy: ['SrcK8S_Namespace', 'SrcAddr'], limit: 10_000 };
    const { series } = await opened.store.metrics(byName, signal);
    const unnamed = series.filter(({ labels }) => Object.values(labels).includes(''));
    expect(unnamed).toEqual([]);
    before = found;
  }
}, 180_000);

test('a folder that another process uses is refused, with that process', async () => {
  using folder = temporaryFolder();
  const child = startChild(folder.path);
  try {
    await durableFlows(child, 1);
    await expect(openStore({ dataDir: folder.path })).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
      message: expect.stringContaining(String(child.pid)),
    });
  } finally {
    await kill(child);
  }
});

test('rows and ids go on after a restart', async () => {
  using folder = temporaryFolder();
  for (const round of [1, 2, 3]) {
    await using opened = await openStore({ dataDir: folder.path });
    await opened.append([
      { TimeFlowEndMs: START_MS + round, SrcAddr: '10.0.0.1', SrcK8S_Namespace: `n${round}` },
    ]);
    await opened.store.stop();
  }
  await using opened = await openStore({ dataDir: folder.path });
  const result = await opened.store.records(
    { range: RANGE, filter: ANY, packetLoss: 'all', limit: 10 },
    signal,
  );
  expect(result.rows.map((row) => [row.SrcAddr, row.SrcK8S_Namespace])).toEqual([
    ['10.0.0.1', 'n3'],
    ['10.0.0.1', 'n2'],
    ['10.0.0.1', 'n1'],
  ]);
  const status = await opened.store.status();
  expect(status).toMatchObject({ rows: 3, oldestMs: START_MS + 1, newestMs: START_MS + 3 });
});

test('a file that is opened anew to save memory goes on as it was', async () => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await using opened = await openStore({ dataDir: folder.path, renewRows: 500 }, clock);
  const { store } = opened;
  const running: Promise<number>[] = [];
  for (let turn = 0; turn < 12; turn++) {
    const rows = Array.from({ length: 300 }, (_, index) => ({
      TimeFlowEndMs: START_MS + turn,
      SrcAddr: `10.0.${turn}.${index % 256}`,
      SrcK8S_Namespace: `n${turn}`,
    }));
    await opened.append(rows);
    clock.now += 60_000;
    clock.tick();
    // A query that comes while the file is closed waits for it.
    running.push(countFlows(store));
    await store.flush();
    if (turn % 3 === 0) await Promise.all(running);
  }
  for (const [turn, count] of (await Promise.all(running)).entries()) {
    expect(count).toBeGreaterThanOrEqual(300 * (turn + 1));
  }
  const byName = { ...TOTAL, groupBy: ['SrcK8S_Namespace'], limit: 100 };
  const { series } = await store.metrics(byName, signal);
  expect(series.map(({ labels }) => labels.SrcK8S_Namespace).sort()).toEqual(
    Array.from({ length: 12 }, (_, turn) => `n${turn}`).sort(),
  );
  expect(series.every(({ points }) => points[0]?.[1] === 300)).toBe(true);
  expect(store.outcome?.()).toEqual({ durable: 3600, lost: 0 });
  const renewals = opened.metrics.registry.getSingleMetric('test_store_renewals_total');
  expect((await renewals?.get())?.values[0]?.value).toBeGreaterThan(2);
});

test('other tools read flows with names from the file', async () => {
  using folder = temporaryFolder();
  {
    await using opened = await openStore({ dataDir: folder.path });
    await opened.append([
      {
        TimeFlowEndMs: START_MS,
        SrcAddr: 'fd00::1',
        SrcMac: '02:00:00:00:00:01',
        SrcK8S_Namespace: 'shop',
        Interfaces: ['eth0', 'eth1'],
        Bytes: 5,
      },
    ]);
  }
  const instance = await DuckDBInstance.create(join(folder.path, 'flows.duckdb'));
  const connection = await instance.connect();
  const result = await connection.run(
    'SELECT "SrcAddr", "DstAddr", "SrcMac", "SrcK8S_Namespace", "Interfaces", "Bytes" FROM flows',
  );
  expect(await result.getRowsJson()).toEqual([
    ['fd00::1', null, '02:00:00:00:00:01', 'shop', ['eth0', 'eth1'], 5],
  ]);
  connection.closeSync();
  instance.closeSync();
});

test('a store of a newer version is left alone', async () => {
  using folder = temporaryFolder();
  await (await openStore({ dataDir: folder.path })).store.stop();
  const instance = await DuckDBInstance.create(join(folder.path, 'flows.duckdb'));
  const connection = await instance.connect();
  await connection.run('INSERT INTO netobserv_store VALUES (99)');
  connection.closeSync();
  instance.closeSync();
  await expect(openStore({ dataDir: folder.path })).rejects.toMatchObject({
    code: 'ERR_STORE_VERSION',
    message: expect.stringContaining('99'),
  });
});

test('a data folder that is a file is refused', async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, 'file');
  writeFileSync(path, '');
  await expect(openStore({ dataDir: path })).rejects.toMatchObject({ code: 'ERR_STORE_ACCESS' });
});
