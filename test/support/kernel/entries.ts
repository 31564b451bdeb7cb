import { DrainBuffer } from '../../../src/agent/drain/buffer.ts';
import { flowMetrics } from '../../../src/agent/drain/layout.gen.ts';
import type { FeatureReader } from '../../../src/agent/features/reader.ts';
import { InterfaceNames } from '../../../src/agent/interfaces/names.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { type FlowView, takeBatch, viewFlows } from '../processes/agent-host.ts';
import { type FakeFlow, writeFlow } from './fake-kernel.ts';

export const FLOW: FakeFlow = {
  src: '10.0.0.1',
  dst: '10.0.0.2',
  srcPort: 40000,
  dstPort: 443,
  protocol: 6,
  packets: 1,
  bytes: 100,
};

/** A flow and the data that a feature's programs have written after it. */
export interface FakeEntry {
  readonly flow?: FakeFlow;
  readonly write?: (view: DataView) => void;
}

/** The results of trackers for entries, each with `sizeBytes` of a feature after the flow. */
export function track(
  trackers: readonly FeatureReader[],
  sizeBytes: number,
  entries: readonly FakeEntry[],
  tables = new TableSpace(),
): FlowView[] {
  const valueBytes = flowMetrics.sizeBytes + sizeBytes;
  const buffer = new DrainBuffer(Math.max(1, entries.length), valueBytes);
  for (const [row, { flow = FLOW, write }] of entries.entries()) {
    writeFlow(flow, row, buffer.keys, buffer.values, valueBytes);
    const at = row * valueBytes + flowMetrics.sizeBytes;
    write?.(new DataView(buffer.values.buffer, at, sizeBytes));
  }
  const batch = takeBatch(tables);
  batch.length = entries.length;
  const facts = {
    reason: '' as const,
    names: new InterfaceNames(),
    agentIp: '',
    bootOffsetMs: 0,
    nowMs: 0,
  };
  for (const tracker of trackers) tracker.decode(buffer, entries.length, batch, facts);
  return viewFlows(batch);
}
