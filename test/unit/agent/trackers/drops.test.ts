import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { dropMetrics, flowMetrics } from '../../../../src/agent/drain/layout.gen.ts';
import { DropReasons } from '../../../../src/agent/kernel/drop-reasons.ts';
import { KernelSymbols } from '../../../../src/agent/kernel/symbols.ts';
import { DropTracker } from '../../../../src/agent/trackers/drops.ts';
import { DROP_CAUSES } from '../../../../src/flow/names/drop.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { buildBtf } from '../../../support/kernel/btf-builder.ts';
import { track } from '../../../support/kernel/entries.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nbt-drops-'));
  const names = { name: 'skb_drop_reason', values: [['SKB_DROP_REASON_NO_SOCKET', 3]] } as const;
  writeFileSync(join(folder, 'vmlinux'), buildBtf([names]));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function trackerWith(kallsyms: string): Promise<DropTracker> {
  writeFileSync(join(folder, 'kallsyms'), kallsyms);
  const tracker = new DropTracker(createLog('silent'), flowMetrics.sizeBytes, {
    reasons: new DropReasons(folder),
    symbols: new KernelSymbols(join(folder, 'kallsyms')),
  });
  await tracker.prepare();
  return tracker;
}

function drop(view: DataView): void {
  view.setUint32(dropMetrics.bytes, 7, true);
  view.setUint32(dropMetrics.bytes + 4, 1, true);
  view.setUint32(dropMetrics.packets, 70_000, true);
  view.setUint32(dropMetrics.location, 0x81001234, true);
  view.setUint32(dropMetrics.location + 4, 0xffffffff, true);
  view.setUint32(dropMetrics.reason, 3, true);
  view.setUint16(dropMetrics.tcpFlags, 0x110, true);
  view.setUint8(dropMetrics.tcpState, 2);
}

test('what was dropped last, and how much in all', async () => {
  const tracker = await trackerWith('ffffffff81001000 t tcp_v4_rcv\n');
  const [dropped, other] = track([tracker], dropMetrics.sizeBytes, [{ write: drop }, {}]);
  expect(dropped).toMatchObject({
    PktDropBytes: 2 ** 32 + 7,
    PktDropPackets: 70_000,
    PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
    PktDropLatestState: 'TCP_SYN_SENT',
    PktDropLatestFlags: 0x110,
    PktDropLocation: 'tcp_v4_rcv',
  });
  expect(other).toMatchObject({
    PktDropBytes: undefined,
    PktDropPackets: undefined,
    PktDropLatestDropCause: '',
    PktDropLatestState: '',
    PktDropLatestFlags: undefined,
    PktDropLocation: '',
  });
});

test.each([
  ['the kernel hides addresses', '0000000000000000 t tcp_v4_rcv\n'],
  ['the code came later', 'ffffffff80000000 t tcp_v4_rcv\n'],
])('without a place: %s', async (_why, kallsyms) => {
  const tracker = await trackerWith(kallsyms);
  const [dropped] = track([tracker], dropMetrics.sizeBytes, [{ write: drop }]);
  expect(dropped).toMatchObject({ PktDropPackets: 70_000, PktDropLocation: '' });
});

test('states that have no name, and drops of a kernel without reasons', async () => {
  const tracker = await trackerWith('');
  const [dropped] = track([tracker], dropMetrics.sizeBytes, [
    {
      write(view) {
        drop(view);
        view.setUint32(dropMetrics.reason, 0, true);
        view.setUint8(dropMetrics.tcpState, 99);
      },
    },
  ]);
  expect(dropped).toMatchObject({
    PktDropLatestDropCause: 'SKB_DROP_REASON_NOT_SPECIFIED',
    PktDropLatestState: 'TCP_INVALID_STATE',
  });
  // Readers leave out drops whose cause is 0.
  expect(DROP_CAUSES.codeOf(dropped!.PktDropLatestDropCause as string)).toBe(2);
});
