/** The client against a server on a real socket, with a manual clock. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { OvsdbClient } from '../../../src/net/ovsdb/client.ts';
import type { OvsdbRow } from '../../../src/net/ovsdb/values.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { FakeOvsdb } from '../../support/net/fake-ovsdb.ts';

describe('OVSDB', () => {
  let folder: string;
  let server: FakeOvsdb;
  let clock: ManualClock;
  let client: OvsdbClient;
  let rows: Map<string, OvsdbRow>;
  let resets: number;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'netobserv-ovsdb-'));
    server = new FakeOvsdb(join(folder, 'db.sock'));
    await server.start();
    clock = new ManualClock();
    rows = new Map();
    resets = 0;
    client = new OvsdbClient(
      { socket: server.path, database: 'Open_vSwitch', tables: { Bridge: ['name'] } },
      {
        clock,
        log: createLog('silent'),
        onReset() {
          rows.clear();
          resets++;
        },
        onRow(_table, uuid, row) {
          if (row === undefined) rows.delete(uuid);
          else rows.set(uuid, row);
        },
        onChange: () => undefined,
      },
    );
  });
  afterEach(async () => {
    await client.stop();
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  const names = (): unknown[] => [...rows.values()].map(({ name }) => name).sort();
  const until = (what: () => unknown) => expect.poll(what, { interval: 5, timeout: 5000 });

  test('rows that are there, that come, change and go', async () => {
    server.set('Bridge', { name: 'br-int' });
    client.start();
    await until(names).toEqual(['br-int']);

    const uuid = server.set('Bridge', { name: 'br-ex' });
    server.set('Port', { name: 'not watched' });
    await until(names).toEqual(['br-ex', 'br-int']);
    server.set('Bridge', { name: 'br-new' }, uuid);
    await until(names).toEqual(['br-int', 'br-new']);
    server.set('Bridge', undefined, uuid);
    await until(names).toEqual(['br-int']);
    expect(server.requests[0]).toMatchObject({
      method: 'monitor',
      params: ['Open_vSwitch', 'Open_vSwitch', { Bridge: [{ columns: ['name'] }] }],
    });
  });

  test('a server that was away: known rows stay until they are read again', async () => {
    server.set('Bridge', { name: 'br-int' });
    client.start();
    await until(names).toEqual(['br-int']);
    await server.stop();
    await until(() => client.isCurrent).toBe(false);
    server.set('Bridge', { name: 'br-ex' });
    expect(names()).toEqual(['br-int']);
    await until(() => clock.waiting).toBe(1);
    await clock.advance(1000);
    await until(() => clock.waiting).toBe(1);

    await server.start();
    await clock.advance(2000);

    await until(names).toEqual(['br-ex', 'br-int']);
    expect(resets).toBe(2);
  });

  test('changes in one transaction, and their refusal', async () => {
    client.start();
    await until(() => resets).toBe(1);
    const insert = { op: 'insert', table: 'Bridge', row: { name: 'br-a' } };

    expect(await client.transact([insert])).toEqual([{ uuid: ['uuid', expect.any(String)] }]);
    await until(names).toEqual(['br-a']);
    const removal = { op: 'delete', table: 'Bridge', where: [['name', '==', 'br-a']] };
    expect(await client.transact([removal])).toEqual([{ count: 1 }]);
    const error = await client.transact([{ op: 'mutate' }]).catch((cause: unknown) => cause);
    expect(hasCode(error, 'ERR_OVSDB_REFUSED')).toBe(true);
  });

  test('answers when it is asked whether it is there', async () => {
    client.start();
    await until(() => resets).toBe(1);
    server.probe();
    await until(() => server.echoes).toEqual([{ id: 'echo', result: ['there?'], error: null }]);
  });

  test('a server that falls silent is left', async () => {
    client.start();
    await until(() => resets).toBe(1);
    server.mute = true;
    await clock.advance(30_000);
    await until(() => server.requests.at(-1)?.method).toBe('echo');
    await clock.advance(30_000);
    await until(() => client.isCurrent).toBe(false);
  });

  test('a server that talks nonsense is left', async () => {
    client.start();
    await until(() => resets).toBe(1);
    server.say('nonsense');
    await until(() => client.isCurrent).toBe(false);
  });

  test('nothing is waited for when it stops', async () => {
    server.mute = true;
    client.start();
    await until(() => server.requests.length).toBe(1);
    await client.stop();
    expect(clock.waiting).toBe(0);
    const error = await client.transact([]).catch((cause: unknown) => cause);
    expect(hasCode(error, 'ERR_OVSDB_REFUSED')).toBe(true);
  });
});
