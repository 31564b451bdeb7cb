import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../../support/processes/program.ts';
import { startUp, type UpHost } from '../../support/processes/up-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 30_000, interval: 200 } as const;

const folder = mkdtempSync(join(tmpdir(), 'netobserv-up-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Flows of loopback: the test's own requests fill the store. */
const LOOPBACK = [
  ...['--interfaces', 'lo', '--exclude-interfaces', 'none', '--cache-active-timeout', '200ms'],
];

async function expectBooks(up: UpHost): Promise<Readonly<Record<string, number>>> {
  for (const { in: arrived, written, filtered, dropped, inFlight } of (await up.status())
    .branches) {
    const lost = Object.values(dropped).reduce((sum, rows) => sum + rows, 0);
    expect(written + filtered + lost + inFlight).toBe(arrived);
  }
  return (await up.status()).branches.find(({ dropped }) => dropped.write_failed)?.dropped ?? {};
}

describe.skipIf(requireRoot())('what flows are kept in', () => {
  test('a full disk makes the host unready and its flows dropped, until there is room', async () => {
    const data = mkdtempSync(join(folder, 'small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', data]);
    try {
      const port = await freePort();
      const metrics = ['--metrics-enable', '--metrics-server-port', `${port}`];
      await using up = await startUp([...LOOPBACK, ...metrics], data);
      const ready = async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status;
      await expect.poll(ready, SOON).toBe(200);
      const filler = join(data, 'filler');
      expect(() => writeFileSync(filler, Buffer.alloc(64 * 2 ** 20))).toThrow();

      await expect.poll(ready, SOON).toBe(503);
      await expect.poll(async () => (await up.status()).store.isReady, SOON).toBe(false);
      await expect
        .poll(async () => (await expectBooks(up)).write_failed ?? 0, SOON)
        .toBeGreaterThan(0);

      truncateSync(filler, 0);
      await expect.poll(ready, SOON).toBe(200);
      await expect.poll(async () => (await up.status()).store.isReady, SOON).toBe(true);
      await expectBooks(up);
    } finally {
      execFileSync('umount', ['-l', data]);
    }
  });

  test('files are for their owner only, and a removed folder is made again', async () => {
    const data = join(folder, 'private');
    const umask = process.umask(0);
    try {
      await using up = await startUp(LOOPBACK, data);
      const rows = async () => (await up.status()).store.rows;
      await expect.poll(rows, SOON).toBeGreaterThan(0);
      const expectPrivate = (): void => {
        expect(statSync(data).mode & 0o777).toBe(0o700);
        for (const name of readdirSync(data)) {
          expect([name, statSync(join(data, name)).mode & 0o077]).toEqual([name, 0]);
        }
      };
      expectPrivate();
      rmSync(data, { recursive: true });
      await expect.poll(() => statSync(data, { throwIfNoEntry: false })?.mode, SOON).toBeDefined();
      await expect.poll(async () => (await up.status()).store.isReady, SOON).toBe(true);
      await expect.poll(rows, SOON).toBeGreaterThan(0);
      await expect.poll(() => readdirSync(data), SOON).toContain('flows.duckdb');
      expectPrivate();
    } finally {
      process.umask(umask);
    }
  });
});
