import { systemClock } from '../../../../src/base/clock.ts';
import type { BranchStatus } from '../../../../src/pipeline/graph/branch.ts';
import { appendRows, type Row } from './rows.ts';
import { testPipeline } from './setup.ts';

const BATCH_ROWS = 500;

/** What happens to the receiver before the batch with this number is sent, and after the last. */
export type Events = Readonly<Record<number | 'end', () => Promise<void> | void>>;

/** Sends flows by an `encode` stage; resolves to what the branch counted. */
export async function sendBy(
  type: string,
  options: object,
  rows: readonly Row[],
  events: Partial<Events> = {},
): Promise<BranchStatus> {
  const { pipeline } = testPipeline(
    {
      pipeline: [{ name: 'out', follows: 'preset-ingester' }],
      parameters: [{ name: 'out', encode: { type, [type]: options } }],
    },
    { clock: systemClock },
  );
  await pipeline.start(new AbortController().signal);
  for (let number = 0; number * BATCH_ROWS < rows.length; number++) {
    await events[number]?.();
    const batch = pipeline.take();
    appendRows(batch, rows.slice(number * BATCH_ROWS, (number + 1) * BATCH_ROWS));
    pipeline.emit(batch);
  }
  await events.end?.();
  await pipeline.stop();
  return pipeline.branches()[0]!;
}

/** Flows that differ in their bytes, with fields of each kind. */
export function distinctRows(count: number): readonly Row[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{
      SrcAddr: '10.0.0.1',
      DstAddr: `2001:db8::1:${(index & 0xfff).toString(16)}`,
      SrcPort: 1000,
    },
    ...{ Bytes: index + 1, Packets: 1, TimeFlowEndMs: 1_764_500_000_000 + index, Proto: 6 },
    ...{ SrcMac: '02:00:00:00:00:01', Interfaces: ['eth0', 'eth1'], DnsName: `"${index % 9}" é` },
  }));
}

/** Flows lost by any reason. */
export function droppedBy({ dropped }: BranchStatus): number {
  return Object.values(dropped).reduce((sum, flows) => sum + flows, 0);
}
