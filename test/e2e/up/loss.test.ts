import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { FlowRow } from '../../../src/query/ast.ts';
import { DUCKDB_DEFAULTS } from '../../../src/store/duckdb/config.ts';
import { LabPair } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { startUp, type UpHost } from '../../support/processes/up-host.ts';
import { requireRoot } from '../../support/require.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const SWEPT = 'DstAddr="203.0.113.1"';
const FRAME_BYTES = 64;
/** `traffic sweep` uses this port for its first flow and the next ones for later flows. */
const FIRST_PORT = 1024;

const folder = mkdtempSync(join(tmpdir(), 'netobserv-loss-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pairOf(lab: Lab): { left: string; pair: LabPair } {
  const left = lab.namespace('left');
  return { left, pair: new LabPair(lab, left, lab.namespace('right')) };
}

/**
 * One packet per flow, sent in the order of their ports: without a hole up to the last one, none
 * was lost. Returns their number.
 */
function expectUnbroken(rows: readonly FlowRow[], link: string): number {
  const ports = rows.map(({ SrcPort }) => Number(SrcPort)).sort((a, b) => a - b);
  expect(ports).toEqual(ports.map((_, place) => FIRST_PORT + place));
  for (const row of rows) {
    expect(row).toMatchObject({ SrcAddr: '10.0.0.0', Proto: 17, Packets: 1, Bytes: FRAME_BYTES });
    expect(row.Interfaces).toEqual([link]);
  }
  return rows.length;
}

describe.skipIf(requireRoot())('nothing is lost without being counted', () => {
  test('a map far too small: recorded and unrecorded add up to what was sent', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    await using up = await startUp([
      ...['--interfaces', pair.a, '--cache-max-flows', '64', '--cache-active-timeout', '200ms'],
    ]);

    const sent = await lab.sweep(left, pair.a, { flows: 20_000, perSecond: 200_000 });

    expect(pair.counted()).toEqual({ packets: sent, bytes: sent * FRAME_BYTES });
    const fate = async () => {
      const { recordedPackets, unrecorded } = (await up.status()).agent.accounting!;
      const rows = await up.sums(SWEPT);
      return { recordedPackets, rows, lost: unrecorded.map_full! };
    };
    await expect
      .poll(async () => {
        const { rows, lost } = await fate();
        return { packets: rows.packets + lost.packets, bytes: rows.bytes + lost.bytes };
      }, SOON)
      .toEqual({ packets: sent, bytes: sent * FRAME_BYTES });
    const { recordedPackets, rows, lost } = await fate();
    expect(recordedPackets).toBe(rows.packets);
    expect(lost.packets).toBeGreaterThan(0);
  });

  test.each([
    ['every 300ms', '300ms'],
    ['by nothing but the end', '1h'],
  ])('SIGTERM amid traffic, drained %s: all sent before is kept', async (_, timeout) => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const data = join(folder, `terminated-${timeout}`);
    const args = ['--interfaces', pair.a, '--cache-max-flows', '50000'];
    const flows = 10_000;
    let sending: Promise<number>;
    let sentBefore: number;
    {
      await using _up = await startUp([...args, '--cache-active-timeout', timeout], data);
      sending = lab.sweep(left, pair.a, { flows, perSecond: 2500 });
      await expect.poll(() => pair.counted().packets, SOON).toBeGreaterThan(2000);
      sentBefore = pair.counted().packets;
    }
    expect(await sending).toBe(flows);

    await using again = await startUp(args, data);
    const kept = expectUnbroken(await again.rows(SWEPT), pair.a);
    expect(kept).toBeGreaterThanOrEqual(sentBefore);
    expect(kept).toBeLessThan(flows);
  });

  test('SIGKILL amid traffic: the next start has what was durable, and goes on', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const data = join(folder, 'killed');
    const args = ['--interfaces', pair.a, '--cache-active-timeout', '100ms'];
    // They take three times as long as it takes to find flows that are durable.
    const flows = 9000;
    let sending: Promise<number>;
    let durable: number;
    {
      await using up = await startUp(args, data);
      sending = lab.sweep(left, pair.a, { flows, perSecond: 1500 });
      await expect.poll(() => durableRows(up), SOON).toBeGreaterThan(1000);
      durable = await durableRows(up);
      expect(await up.program.stop('SIGKILL')).toBe('SIGKILL');
    }
    expect(await sending).toBe(flows);

    await using again = await startUp(args, data);
    const kept = expectUnbroken(await again.rows(SWEPT), pair.a);
    expect(kept).toBeGreaterThanOrEqual(durable);
    expect(kept).toBeLessThan(flows);

    await lab.sweep(left, pair.a, { flows: 100, perSecond: 10_000 });
    await expect.poll(async () => (await again.rows(SWEPT)).length, SOON).toBe(kept + 100);
    expect((await again.status()).store).toMatchObject({ isReady: true, error: '' });
  });
});

/** Rows that are older than the time for which the store may delay making them durable. */
async function durableRows(up: UpHost): Promise<number> {
  const times = (await up.rows(SWEPT)).map((row) => Number(row.TimeFlowEndMs));
  const newestMs = Math.max(...times);
  return times.filter((timeMs) => newestMs - timeMs > 2 * DUCKDB_DEFAULTS.flushIntervalMs).length;
}
