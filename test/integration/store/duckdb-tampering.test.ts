import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from 'vitest';
import { ANY } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { openStore, type TestStore, temporaryFolder } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const HOUR_MS = 3_600_000;
const RANGE = { startMs: 0, endMs: START_MS * 2 };

async function names(store: FlowStore): Promise<readonly string[]> {
  const query = { range: RANGE, filter: ANY, packetLoss: 'all' as const, limit: 100 };
  const { rows } = await store.records(query, signal);
  return rows.map((row) => String(row.SrcK8S_Namespace)).toSorted();
}

const flow = (name: string) => [{ TimeFlowEndMs: START_MS, SrcK8S_Namespace: name, Bytes: 1 }];

async function hours(opened: TestStore, clock: ManualClock, count: number): Promise<void> {
  for (let hour = 0; hour < count; hour++) {
    await opened.append(flow('later'));
    clock.now += HOUR_MS;
    clock.tick();
    await opened.store.flush();
  }
}

/** Two partitions, with a flow each. */
async function twoHours(folder: string, clock: ManualClock): Promise<void> {
  await using opened = await openStore({ dataDir: folder }, clock);
  await opened.append(flow('first'));
  clock.now += HOUR_MS;
  clock.tick();
  await opened.append(flow('second'));
}

/** Changes by a user with a tool of the database. */
async function tamper(folder: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(join(folder, 'flows.duckdb'));
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}

const BOTH: string[] = ['first', 'second'];

test.each<[string, string, string[]]>([
  ['a table dropped', 'DROP TABLE facts_1', ['second']],
  ['a dictionary dropped', 'DROP TABLE strings_1', ['second']],
  ['the time dropped', 'ALTER TABLE facts_1 DROP COLUMN "TimeFlowEndMs"', ['second']],
  ['no list of partitions', 'DELETE FROM partitions', []],
  ['a partition listed twice', 'INSERT INTO partitions SELECT * FROM partitions', BOTH],
  ['a partition without a number', 'INSERT INTO partitions VALUES (NULL, NULL, NULL)', BOTH],
  ['a table of a name that comes next', 'CREATE TABLE facts_3 (a INTEGER)', BOTH],
  ['a table of the name of a view', 'DROP VIEW flows; CREATE TABLE flows (a INTEGER)', BOTH],
  ['a view of somebody’s', 'CREATE VIEW mine AS SELECT * FROM facts_1', BOTH],
  ['tables in another schema', 'CREATE SCHEMA s; CREATE TABLE s.facts_1 (x INTEGER)', BOTH],
])('with %s the rest is served, written and dropped in its time', async (_what, sql, left) => {
  using folder = temporaryFolder();
  const clock = new ManualClock(START_MS);
  await twoHours(folder.path, clock);
  await tamper(folder.path, sql);
  await using opened = await openStore({ dataDir: folder.path }, clock);
  expect(await names(opened.store)).toEqual(left);
  await opened.append(flow('third'));
  expect(await names(opened.store)).toEqual([...left, 'third']);
  await hours(opened, clock, 30);
  const { ready, warnings } = await opened.store.status();
  expect([ready, warnings]).toEqual([true, []]);
  expect(new Set(await names(opened.store))).toEqual(new Set(['later']));
  expect(opened.store.outcome?.().lost).toBe(0);
});
