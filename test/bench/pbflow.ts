import { RecordEncoder } from '../../src/codec/pbflow/encoder.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { BatchLayout } from '../../src/flow/batch.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import type { Figure } from './figure.ts';
import { pinnedBatches } from './flows.ts';

const RUNS = 7;
const PASSES = 8;

/** CPU time for encoding a flow as a record of pbflow. */
export async function benchPbflow(): Promise<readonly Figure[]> {
  return [
    encode('fields of every flow', new BatchLayout(agentColumns(new Set())), 0.5),
    encode('all fields', new BatchLayout(agentColumns())),
  ];
}

function encode(what: string, layout: BatchLayout, maxUs?: number): Figure {
  const batches = pinnedBatches(layout, new TableSpace().current);
  const flows = batches.reduce((sum, batch) => sum + batch.length, 0);
  const encoder = new RecordEncoder('entries');
  let bytes = 0;
  const us = microseconds(PASSES * flows, () => {
    for (let pass = 0; pass < PASSES; pass++) {
      bytes = 0;
      for (const batch of batches) bytes += encoder.offsets[encoder.encode(batch)]!;
    }
  });
  return {
    name: `pbflow, encoding of a flow: ${what}`,
    value: us,
    unit: 'µs',
    ...(maxUs === undefined ? {} : { target: { max: maxUs } }),
    note: `${Math.round(bytes / flows)} bytes per flow`,
  };
}

/** CPU time per flow of `flows`, the median of some runs after one to warm up. */
function microseconds(flows: number, run: () => void): number {
  const spent = Array.from({ length: RUNS + 1 }, () => {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / flows;
  });
  return spent.slice(1).sort((a, b) => a - b)[RUNS >> 1]!;
}

if (import.meta.main) console.log(await benchPbflow());
