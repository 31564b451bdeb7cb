import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { FlowRow } from '../../../src/query/ast.ts';
import { LabPair } from '../../support/lab-pair.ts';
import { Lab } from '../../support/netns.ts';
import { requireRoot } from '../../support/require.ts';
import { startUp, type UpHost } from '../../support/up-host.ts';

const SOON = { timeout: 20_000, interval: 100 } as const;
const SWEPT = 'DstAddr="203.0.113.1"';
const FRAME_BYTES = 64;
/** `traffic sweep` gives its first flow this port and every later one the next. */
const FIRST_PORT = 1024;

const folder = mkdtempSync(join(tmpdir(), 'netobserv-loss-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function pairOf(lab: Lab): { left: string; pair: LabPair } {
  const left = lab.namespace('left');
  return { left, pair: new LabPair(lab, left, lab.namespace('right')) };
}

/**
 * One packet per flow, sent in the order of their ports: when there is no hole up to the last one,
 * none was lost. Returns how many there are.
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

async function rowsStored(up: UpHost): Promise<number> {
  return (await up.status()).store.rows;
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

  test('SIGTERM in the middle of traffic: the next start has every packet up to the last', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const data = join(folder, 'terminated');
    const args = ['--interfaces', pair.a, '--cache-active-timeout', '300ms'];
    const flows = 20_000;
    let sending: Promise<number>;
    {
      await using up = await startUp(args, data);
      sending = lab.sweep(left, pair.a, { flows, perSecond: 5000 });
      await expect.poll(() => rowsStored(up), SOON).toBeGreaterThan(500);
    }
    expect(await sending).toBe(flows);

    await using again = await startUp(args, data);
    const kept = expectUnbroken(await again.rows(SWEPT), pair.a);
    expect(kept).toBeGreaterThan(500);
    expect(kept).toBeLessThan(flows);
  });

  test('SIGKILL in the middle of traffic: the next start reads what was kept, and goes on', async () => {
    await using lab = new Lab();
    const { left, pair } = pairOf(lab);
    const data = join(folder, 'killed');
    const args = ['--interfaces', pair.a, '--cache-active-timeout', '100ms'];
    const flows = 9000;
    let sending: Promise<number>;
    {
      await using up = await startUp(args, data);
      sending = lab.sweep(left, pair.a, { flows, perSecond: 1500 });
      // Rows are durable after a second: by then the first ones must be.
      await expect.poll(() => secondsStored(up), SOON).toBeGreaterThan(2.5);
      expect(await up.program.stop('SIGKILL')).toBe('SIGKILL');
    }
    expect(await sending).toBe(flows);

    await using again = await startUp(args, data);
    const before = await again.rows(SWEPT);
    const kept = expectUnbroken(before, pair.a);
    expect(kept).toBeGreaterThan(500);
    expect(kept).toBeLessThan(flows);

    await lab.sweep(left, pair.a, { flows: 100, perSecond: 10_000 });
    await expect.poll(async () => (await again.rows(SWEPT)).length, SOON).toBe(kept + 100);
    expect((await again.status()).store).toMatchObject({ isReady: true, error: '' });
  });
});

/** How long the flows went on that the store has. */
async function secondsStored(up: UpHost): Promise<number> {
  const { oldestMs, newestMs } = (await up.status()).store;
  return ((newestMs ?? 0) - (oldestMs ?? 0)) / 1000;
}
