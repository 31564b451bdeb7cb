import { expect, test } from 'vitest';
import { DrainBuffer } from '../../../../src/agent/drain/buffer.ts';
import { decodeFlows } from '../../../../src/agent/drain/decode.ts';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import { type FakeFlow, writeFlow } from '../../../support/kernel/fake-kernel.ts';
import { takeBatch, viewFlows } from '../../../support/processes/agent-host.ts';

const A = '02:00:00:00:00:0a';
const B = '02:00:00:00:00:0b';
const OTHER = '02:00:00:00:00:0c';

function namesOf(flows: readonly Partial<FakeFlow>[]): (readonly string[])[] {
  const buffer = new DrainBuffer(flows.length);
  for (const [row, flow] of flows.entries()) {
    const whole = { src: '10.0.0.1', dst: '10.0.0.2', bytes: 60, packets: 1, ...flow };
    writeFlow(whole, row, buffer.keys, buffer.values);
  }
  const names = new InterfaceNames({ exact: false, preferences: [] });
  names.set(100, 2, 'eth0', A);
  names.set(200, 2, 'net1', B);
  names.set(100, 3, 'br0', OTHER);
  const batch = takeBatch();
  const facts = { reason: '' as const, names, agentIp: '', bootOffsetMs: 0, nowMs: 0 };
  decodeFlows(buffer, flows.length, batch, facts);
  return viewFlows(batch).map((flow) => flow.Interfaces);
}

const LEFT = { netns: 0, index: 2, egress: true } as const;
const ENTERED = { netns: 0, index: 2, ingress: true } as const;
const BOTH = { ...LEFT, ...ENTERED };

test('each interface by the end of the flow that it is', () => {
  const flows: Partial<FakeFlow>[] = [
    { srcMac: A, dstMac: B, observed: [LEFT] },
    { srcMac: A, dstMac: B, observed: [ENTERED] },
    { srcMac: B, dstMac: OTHER, observed: [LEFT, { ...ENTERED, index: 3 }] },
    { srcMac: B, dstMac: A, observed: [BOTH], egressFirst: true },
    { srcMac: B, dstMac: A, observed: [BOTH], egressFirst: false },
    { srcMac: OTHER, dstMac: OTHER, observed: [{ ...LEFT, index: 9 }] },
    { observed: [] },
  ];
  expect(namesOf(flows)).toEqual([
    ['eth0'],
    ['net1'],
    ['net1', 'br0'],
    ['net1'],
    ['eth0'],
    ['unknown'],
    [],
  ]);
});
