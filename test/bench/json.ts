import { createJsonWriter } from '../../src/codec/json/writer.ts';
import { agentColumns } from '../../src/flow/agent-columns.ts';
import { TableSpace } from '../../src/flow/intern.ts';
import { rowsOf } from '../../src/flow/row.ts';
import { layoutFor } from '../support/flows/layout-for.ts';
import type { Figure } from './figure.ts';
import { pinnedBatches } from './flows.ts';

const RUNS = 7;
const PASSES = 8;
const NAMES = new Set(['Flags']);
/** Fields that the default pipeline adds. */
const STAGE_FIELDS = ['SrcService', 'DstService', 'SrcSubnetLabel', 'DstSubnetLabel'];

/** Flows per CPU-second as lines of JSON, beside the obvious way to make the same bytes. */
export async function benchJson(): Promise<readonly Figure[]> {
  const columns = agentColumns(new Set(['flowRTT', 'dnsTracking']));
  const layout = layoutFor([...columns.map(({ name }) => name), ...STAGE_FIELDS]);
  const batches = pinnedBatches(layout, new TableSpace().current);
  const flows = batches.reduce((sum, batch) => sum + batch.length, 0);
  const writer = createJsonWriter({ names: NAMES });
  let bytes = 0;
  const ours = rate(PASSES * flows, () => {
    for (let pass = 0; pass < PASSES; pass++) {
      bytes = 0;
      for (const batch of batches) {
        writer.clear();
        writer.writeBatch(batch);
        bytes += writer.length;
      }
    }
  });
  const obvious = rate(flows, () => {
    for (const batch of batches) {
      const lines = rowsOf(batch, { names: NAMES }).map((row) => `${JSON.stringify(row)}\n`);
      Buffer.from(lines.join(''));
    }
  });
  return [
    {
      name: 'JSON lines, flows per CPU-second',
      value: ours,
      unit: 'flows/s',
      note: `${Math.round(bytes / flows)} bytes per flow`,
    },
    { name: 'JSON lines, against JSON.stringify of objects', value: ours / obvious, unit: '×' },
  ];
}

/** The median of some runs after one to warm up. */
function rate(flows: number, run: () => void): number {
  const rates = Array.from({ length: RUNS + 1 }, () => {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    return (flows / (user + system)) * 1e6;
  });
  return rates.slice(1).sort((a, b) => a - b)[RUNS >> 1]!;
}

if (import.meta.main) console.log(await benchJson());
