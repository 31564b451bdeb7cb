import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { BatchLayout } from '../../../src/flow/batch.ts';
import { ANY } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { openStore, temporaryFolder } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const RANGE = { startMs: 0, endMs: START_MS * 2 };
const KEPT = 100;

async function countFlows(store: FlowStore): Promise<number> {
  const { series } = await store.metrics(
    {
      range: RANGE,
      filter: ANY,
      packetLoss: 'all',
      type: 'Flows',
      fn: 'count',
      groupBy: [],
      limit: 1,
      stepMs: RANGE.endMs,
      rateIntervalMs: RANGE.endMs,
    },
    signal,
  );
  return series[0]?.points[0]?.[1] ?? 0;
}

const rowsOf = (count: number, atMs: number) =>
  Array.from({ length: count }, (_, index) => ({ TimeFlowEndMs: atMs + index, Bytes: 1 }));

/** Leaves 100 flows in the file and some thousands in the log, as a killed process does. */
async function killedStore(folder: string): Promise<number> {
  {
    await using opened = await openStore({ dataDir: folder });
    await opened.append(rowsOf(KEPT, START_MS));
  }
  const script = join(import.meta.dirname, '../../support/store/store-child.ts');
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('the child has no output');
  let durable = 0;
  for await (const line of createInterface(child.stdout)) {
    durable = Number(line);
    if (durable >= 9000) break;
  }
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  return durable + KEPT;
}

const at = (path: string, offset: number, bytes: Buffer): void => {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
};

/** Offset of the size of an entry, about in the middle of the log. */
function entryNear(path: string, share: number): number {
  const bytes = readFileSync(path);
  let offset = 8;
  while (offset < bytes.length * share) offset += 16 + Number(bytes.readBigUInt64LE(offset));
  return offset;
}

const sizeOf = (path: string): number => statSync(path).size;

test.each<[string, (wal: string) => void, { readonly least: number; readonly kept: boolean }]>([
  ['ends in zeros', (wal) => zeroFrom(wal, sizeOf(wal) - 300), { least: 3000, kept: true }],
  [
    'is followed by zeros',
    (wal) => truncateSync(wal, sizeOf(wal) + 4096),
    { least: 9000, kept: true },
  ],
  ['has a flipped byte', (wal) => flip(wal, sizeOf(wal) >> 1), { least: 0, kept: true }],
  [
    'has a flipped byte in a size',
    (wal) => flip(wal, entryNear(wal, 0.5) + 1),
    { least: 0, kept: true },
  ],
  ['has an endless size', (wal) => flip(wal, entryNear(wal, 0.5) + 6), { least: 0, kept: true }],
  ['is zeros', (wal) => zeroFrom(wal, 0), { least: 0, kept: true }],
  ['is something else', (wal) => writeFileSync(wal, 'x'.repeat(5000)), { least: 0, kept: true }],
  ['is empty', (wal) => truncateSync(wal, 0), { least: 0, kept: false }],
  ['was cut', (wal) => truncateSync(wal, sizeOf(wal) - 20), { least: 3000, kept: false }],
])(
  'a log that %s costs what is damaged, and that is kept',
  async (_what, damage, { least, kept }) => {
    using folder = temporaryFolder();
    const written = await killedStore(folder.path);
    const wal = join(folder.path, 'flows.duckdb.wal');
    damage(wal);
    const damaged = readFileSync(wal);
    let found = 0;
    {
      await using opened = await openStore({ dataDir: folder.path });
      found = await countFlows(opened.store);
      expect(found).toBeGreaterThanOrEqual(KEPT + least);
      expect(found).toBeLessThanOrEqual(written + 3000);
      const { ready, warnings } = await opened.store.status();
      expect(ready).toBe(true);
      const copies = readdirSync(folder.path).filter((name) => name.includes('.wal.damaged-'));
      expect(copies.length).toBe(kept ? 1 : 0);
      for (const name of copies) {
        expect(readFileSync(join(folder.path, name)).equals(damaged)).toBe(true);
        expect(warnings?.join()).toContain(name);
      }
      await opened.append(rowsOf(5, START_MS));
    }
    await using opened = await openStore({ dataDir: folder.path });
    expect(await countFlows(opened.store)).toBe(found + 5);
  },
);

function zeroFrom(path: string, offset: number): void {
  const size = sizeOf(path);
  truncateSync(path, offset);
  truncateSync(path, size);
}

function flip(path: string, offset: number): void {
  at(path, offset, Buffer.from([readFileSync(path)[offset]! ^ 0x40]));
}

test('a log that a killed process left is whole: nothing is set aside', async () => {
  using folder = temporaryFolder();
  const written = await killedStore(folder.path);
  await using opened = await openStore({ dataDir: folder.path });
  expect(await countFlows(opened.store)).toBeGreaterThanOrEqual(written);
  expect(readdirSync(folder.path).filter((name) => name.includes('damaged'))).toEqual([]);
});

test.each<[string, (file: string) => void]>([
  ['is no database', (file) => writeFileSync(file, 'this is not a database'.repeat(1000))],
  ['is empty', (file) => writeFileSync(file, '')],
  ['has damaged headers', (file) => at(file, 4096, Buffer.alloc(8192, 0xa5))],
  ['has no first header', (file) => at(file, 4096, Buffer.alloc(4096))],
  ['has no second header', (file) => at(file, 8192, Buffer.alloc(4096, 1))],
  ['was cut', (file) => truncateSync(file, 20_000)],
])('a file that %s is set aside, and flows are kept again', async (_what, damage) => {
  using folder = temporaryFolder();
  await killedStore(folder.path);
  const file = join(folder.path, 'flows.duckdb');
  damage(file);
  const [damaged, log] = [readFileSync(file), readFileSync(`${file}.wal`)];
  await using opened = await openStore({ dataDir: folder.path });
  await opened.append(rowsOf(5, START_MS));
  expect(await countFlows(opened.store)).toBe(5);
  const [kept] = readdirSync(folder.path).filter((name) => /\.damaged-[^.]*$/.test(name));
  expect(readFileSync(join(folder.path, kept!)).equals(damaged)).toBe(true);
  expect(readFileSync(join(folder.path, `${kept}.wal`)).equals(log)).toBe(true);
  expect((await opened.store.status()).warnings?.join()).toContain(kept);
});

test.each([
  ['the main header', 0, 0],
  ['a part of the main header', 100, 200],
  ['a part of the first database header', 4096 + 1001, 61],
  ['a part of the second database header', 8192 + 1001, 61],
])('%s is made up for, and every flow is there', async (_what, offset, size) => {
  using folder = temporaryFolder();
  const written = await killedStore(folder.path);
  const file = join(folder.path, 'flows.duckdb');
  at(file, offset, Buffer.alloc(size || 4096, 0x5a));
  const damaged = readFileSync(file).subarray(0, 3 * 4096);
  await using opened = await openStore({ dataDir: folder.path });
  const found = await countFlows(opened.store);
  expect(found).toBeGreaterThanOrEqual(written);
  const { ready, warnings } = await opened.store.status();
  const [kept] = readdirSync(folder.path).filter((name) => name.includes('.headers.damaged-'));
  expect(readFileSync(join(folder.path, kept!)).equals(damaged)).toBe(true);
  expect([ready, warnings?.join()]).toEqual([true, expect.stringContaining(kept!)]);
  await opened.append(rowsOf(5, START_MS));
  expect(await countFlows(opened.store)).toBe(found + 5);
});

test('a log without its database is kept', async () => {
  using folder = temporaryFolder();
  await killedStore(folder.path);
  const log = readFileSync(join(folder.path, 'flows.duckdb.wal'));
  rmSync(join(folder.path, 'flows.duckdb'));
  await using opened = await openStore({ dataDir: folder.path });
  const [kept] = readdirSync(folder.path).filter((name) => name.includes('.damaged-'));
  expect(readFileSync(join(folder.path, kept!)).equals(log)).toBe(true);
  expect((await opened.store.status()).warnings?.join()).toContain(kept);
});

test.each<[string, (folder: string) => void]>([
  ['log', (folder) => truncateSync(join(folder, 'flows.duckdb.wal'), 20_000)],
  ['header', (folder) => at(join(folder, 'flows.duckdb'), 9000, Buffer.alloc(9, 1))],
])('a %s that looks damaged is left to the process that has it open', async (_what, change) => {
  using folder = temporaryFolder();
  await killedStore(folder.path);
  const script = join(import.meta.dirname, '../../support/store/store-child.ts');
  const child = spawn(process.execPath, [script, folder.path], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    await once(child.stdout, 'data');
    child.kill('SIGSTOP');
    change(folder.path);
    at(join(folder.path, 'flows.duckdb.wal'), 0, Buffer.alloc(8));
    const [before, log] = ['', '.wal'].map((end) =>
      readFileSync(`${folder.path}/flows.duckdb${end}`),
    );
    await expect(openStore({ dataDir: folder.path })).rejects.toMatchObject({
      code: 'ERR_STORE_LOCKED',
    });
    expect(readFileSync(join(folder.path, 'flows.duckdb')).equals(before!)).toBe(true);
    expect(readFileSync(join(folder.path, 'flows.duckdb.wal')).equals(log!)).toBe(true);
    expect(readdirSync(folder.path).filter((name) => name.includes('damaged'))).toEqual([]);
  } finally {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
});

/** Rows that fill several blocks. */
const hard = (count: number, from: number) =>
  Array.from({ length: count }, (_, index) => ({
    TimeFlowEndMs: START_MS + from + index,
    Bytes: Math.imul(from + index, 0x9e3779b1) >>> 0,
    Packets: Math.imul(from + index, 0x85ebca6b) >>> 0,
  }));

const NARROW = new BatchLayout([
  { name: 'TimeFlowEndMs', kind: 'f64' },
  { name: 'Bytes', kind: 'f64' },
  { name: 'Packets', kind: 'f64' },
]);

/** Two partitions, since the second batch has columns that the first one lacks. */
async function twoPartitions(folder: string): Promise<void> {
  await using opened = await openStore({ dataDir: folder });
  for (let from = 0; from < 160_000; from += 4000) await opened.append(hard(4000, from), NARROW);
  await opened.append([{ TimeFlowEndMs: START_MS, SrcAddr: '10.0.0.1', Bytes: 7 }]);
}

/** Corrupts a block that holds the column of the first partition. */
async function spoil(file: string, column: string): Promise<void> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  const found = await connection.runAndReadAll(
    `SELECT block_id FROM pragma_storage_info('facts_1')
     WHERE column_name = '${column}' AND persistent AND segment_type <> 'VALIDITY' AND block_id >= 0`,
  );
  const block = Number(found.getRows()[0]?.[0]);
  connection.closeSync();
  instance.closeSync();
  at(file, 3 * 4096 + block * 262_144 + 1000, Buffer.alloc(64, 0x5a));
}

test.each(['Bytes', 'TimeFlowEndMs'])(
  'a damaged block of %s costs its partition only',
  async (column) => {
    using folder = temporaryFolder();
    await twoPartitions(folder.path);
    await spoil(join(folder.path, 'flows.duckdb'), column);
    for (const round of [1, 2]) {
      await using opened = await openStore({ dataDir: folder.path });
      const query = { range: RANGE, filter: ANY, packetLoss: 'all' as const, limit: 5 };
      const { rows } = await opened.store.records(query, signal);
      expect(rows.at(-1)).toEqual({ TimeFlowEndMs: START_MS, SrcAddr: '10.0.0.1', Bytes: 7 });
      expect(rows.length).toBe(round);
      const { ready, warnings } = await opened.store.status();
      expect(ready).toBe(true);
      expect(warnings?.join()).toMatch(/left out.*Corrupt/);
      await opened.append([{ TimeFlowEndMs: START_MS + 1, SrcAddr: '10.0.0.2', Bytes: 8 }]);
    }
  },
);

test('whichever block is damaged, the store opens, answers and takes flows', async () => {
  using source = temporaryFolder();
  await twoPartitions(source.path);
  const whole = readFileSync(join(source.path, 'flows.duckdb'));
  const blocks = (whole.length - 3 * 4096) / 262_144;
  expect(blocks).toBeGreaterThan(4);
  for (let block = 0; block < blocks; block++) {
    using folder = temporaryFolder();
    const file = join(folder.path, 'flows.duckdb');
    writeFileSync(file, whole);
    at(file, 3 * 4096 + block * 262_144 + 1000, Buffer.alloc(64, 0x5a));
    await using opened = await openStore({ dataDir: folder.path });
    const found = await countFlows(opened.store);
    await opened.append(rowsOf(5, START_MS));
    expect(await countFlows(opened.store)).toBe(found + 5);
    const { ready, warnings } = await opened.store.status();
    // Damage to free blocks, and to those of columns that the count does not read, is not noticed.
    expect([ready, found === 160_001 || warnings?.length === 1]).toEqual([true, true]);
  }
}, 180_000);
