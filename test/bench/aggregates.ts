import { TableSpace } from '../../src/flow/intern.ts';
import { compilePipeline } from '../../src/pipeline/pipeline.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';
import type { Figure } from './figure.ts';

const GROUPS = 100_000;
const ROUNDS = 3;
const ROUND_MS = 5000;
const STEP_MS = 50;
const RULE = {
  ...{ name: 'bytes', groupByKeys: ['SrcAddr'] },
  ...{ operationType: 'sum', operationKey: 'Bytes' },
};

/** How long the results of `extract: aggregates` keep the thread, with as many groups as may be. */
export async function benchAggregates(): Promise<readonly Figure[]> {
  const clock = new ManualClock();
  const tables = new TableSpace();
  const pipeline = compilePipeline(
    {
      pipeline: [
        { name: 'groups', follows: 'preset-ingester' },
        { name: 'end', follows: 'groups' },
      ],
      parameters: [
        { name: 'groups', extract: { type: 'aggregates', aggregates: { rules: [RULE] } } },
        { name: 'end', write: { type: 'none' } },
      ],
    },
    { log: createLog('silent'), metrics: createMetrics(''), clock, tables },
  );
  await pipeline.start(new AbortController().signal);
  for (let group = 0; group < GROUPS; ) {
    const batch = pipeline.take();
    const addresses = batch.ids('SrcAddr');
    const bytes = batch.f64('Bytes');
    for (; batch.length < batch.capacity && group < GROUPS; group++) {
      const text = `10.${group >> 16}.${(group >> 8) & 255}.${group & 255}`;
      addresses[batch.length] = tables.current.addresses.internText(text);
      bytes[batch.length++] = group;
    }
    batch.markPresent('Bytes');
    pipeline.emit(batch);
  }
  let longestUs = 0;
  let spentUs = 0;
  for (let ms = 0; ms < ROUNDS * ROUND_MS; ms += STEP_MS) {
    const start = process.cpuUsage();
    clock.jump(STEP_MS);
    const { user, system } = process.cpuUsage(start);
    longestUs = Math.max(longestUs, user + system);
    spentUs += user + system;
    await new Promise(setImmediate);
  }
  await pipeline.stop();
  const what = `aggregates, ${GROUPS} groups`;
  return [
    { name: `${what}, longest tick`, value: longestUs / 1000, unit: 'ms', target: { max: 100 } },
    { name: `${what}, a group of a round`, value: spentUs / ROUNDS / GROUPS, unit: 'µs' },
  ];
}

if (import.meta.main) console.log(await benchAggregates());
