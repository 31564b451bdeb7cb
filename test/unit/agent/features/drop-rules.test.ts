import { expect, test } from 'vitest';
import { DrainBuffer } from '../../../../src/agent/drain/buffer.ts';
import { dropMetrics, filterMetrics, flowMetrics } from '../../../../src/agent/drain/layout.gen.ts';
import { dropRules } from '../../../../src/agent/features/drop-rules.ts';
import type { FeatureReaderDeps } from '../../../../src/agent/features/feature.ts';
import { writeFlow } from '../../../support/kernel/fake-kernel.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';

const FILTER_AT = flowMetrics.sizeBytes;
const DROPS_AT = FILTER_AT + filterMetrics.sizeBytes;
const VALUE_BYTES = DROPS_AT + dropMetrics.sizeBytes;

function trackerWith(dropsAt: number) {
  const deps = { offsetOf: () => dropsAt } as unknown as FeatureReaderDeps;
  return dropRules.reader!(deps, FILTER_AT);
}

test.each([
  ['drops=true', true],
  ['port=80; drops=true protocol=TCP', true],
  ['port=80', false],
  // Packets that it rejects are drops, not flows.
  ['action=Reject drops=true', false],
  ['', false],
])('rules %j need it: %s', (rules, wanted) => {
  const config = agentConfig({ FLOW_FILTER_RULES: rules, ENABLE_PKT_DROPS: 'true' });
  expect(dropRules.isOn(config)).toBe(wanted);
});

test('flows with drops, and those that are wanted anyway, move to the front', () => {
  const flows = [
    { last: 1, drops: 0, wanted: false },
    { last: 2, drops: 1, wanted: false },
    { last: 3, drops: 0, wanted: true },
    { last: 4, drops: 0, wanted: false },
    // More than 32 bits.
    { last: 5, drops: 2 ** 32, wanted: false },
    { last: 6, drops: 3, wanted: true },
    { last: 7, drops: 0, wanted: false },
  ];
  const buffer = new DrainBuffer(8, VALUE_BYTES);
  for (const [row, { last, drops, wanted }] of flows.entries()) {
    const flow = { src: `10.0.0.${last}`, dst: '10.0.1.1', bytes: last, packets: 1 };
    writeFlow(flow, row, buffer.keys, buffer.values, VALUE_BYTES);
    const view = new DataView(buffer.values.buffer, row * VALUE_BYTES);
    view.setBigUint64(DROPS_AT + dropMetrics.packets, BigInt(drops), true);
    view.setUint8(FILTER_AT + filterMetrics.wanted, wanted ? 1 : 0);
  }

  const kept = trackerWith(DROPS_AT).select!(buffer, flows.length);

  expect(kept).toBe(4);
  const rows = [0, 1, 2, 3];
  expect(rows.map((row) => buffer.keys[row * 40 + 15])).toEqual([2, 3, 5, 6]);
  expect(rows.map((row) => buffer.values[row * VALUE_BYTES])).toEqual([2, 3, 5, 6]);
  expect(trackerWith(DROPS_AT).select!(buffer, 0)).toBe(0);
});

test('without drops there is nothing to decide by', () => {
  expect(() => trackerWith(0)).toThrow(expect.objectContaining({ code: 'ERR_AGENT_UNSUPPORTED' }));
});
