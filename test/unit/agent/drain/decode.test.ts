import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DrainBuffer } from '../../../../src/agent/drain/buffer.ts';
import { decodeFlows, sumFlows } from '../../../../src/agent/drain/decode.ts';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { rowsOf } from '../../../../src/flow/row.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';
import { type FakeFlow, writeFlow } from '../../../support/kernel/fake-kernel.ts';
import { AGENT_LAYOUT, viewFlows } from '../../../support/processes/agent-host.ts';

const BOOT_OFFSET_MS = 1_700_000_000_000.25;
const NOW_MS = 1_700_000_100_999;

/** The columns that depend on no feature and no other flow. */
const PLAIN_LAYOUT = new BatchLayout(
  agentColumns(new Set()).filter(({ name }) => !['FlowEndReason', 'Initiator'].includes(name)),
);

function decode(flows: readonly FakeFlow[], layout = AGENT_LAYOUT): FlowBatch {
  const buffer = new DrainBuffer(Math.max(1, flows.length));
  for (const [row, flow] of flows.entries()) writeFlow(flow, row, buffer.keys, buffer.values);
  const names = new InterfaceNames();
  names.set(1, 2, 'eth0');
  names.set(7, 2, 'net1');
  const batch = new FlowBatch(layout, new TableSpace().current);
  decodeFlows(buffer, flows.length, batch, {
    reason: '',
    names,
    agentIp: '192.0.2.1',
    bootOffsetMs: BOOT_OFFSET_MS,
    nowMs: NOW_MS,
  });
  return batch;
}

const TCP: FakeFlow = {
  src: '10.0.0.1',
  dst: '10.0.0.2',
  srcPort: 40000,
  dstPort: 443,
  protocol: 6,
  bytes: 5 * 2 ** 32 + 7,
  packets: 2 ** 32 + 1,
  startNs: 1_500_999,
  endNs: 90_000_000_000,
  tcpFlags: 0x112,
  dscp: 46,
  vlanId: 100,
  egressFirst: true,
  srcMac: '02:00:00:00:00:01',
  dstMac: 'fe:dc:ba:98:76:54',
  sampling: 50,
  observed: [
    { netns: 1, index: 2, egress: true },
    { netns: 7, index: 2, ingress: true },
    { netns: 1, index: 2 ** 26, ingress: true, egress: true },
  ],
};

describe('decodeFlows', () => {
  test('all fields of a TCP flow', () => {
    expect(viewFlows(decode([TCP], PLAIN_LAYOUT))).toEqual([
      {
        TimeFlowStartMs: 1_700_000_000_002,
        TimeFlowEndMs: 1_700_000_090_000,
        TimeReceived: 1_700_000_100,
        AgentIP: '192.0.2.1',
        Sampling: 50,
        SrcAddr: '10.0.0.1',
        DstAddr: '10.0.0.2',
        SrcPort: 40000,
        DstPort: 443,
        SrcMac: '02:00:00:00:00:01',
        DstMac: 'fe:dc:ba:98:76:54',
        Etype: 0x0800,
        VlanId: 100,
        Proto: 6,
        Dscp: 46,
        Flags: 0x112,
        IcmpType: undefined,
        IcmpCode: undefined,
        Interfaces: ['eth0', 'net1', 'unknown'],
        IfDirections: [1, 0, 3],
        FlowDirection: 1,
        Bytes: 5 * 2 ** 32 + 7,
        Packets: 2 ** 32 + 1,
      },
    ]);
  });

  test.each([
    // protocol, ports, flags, ICMP
    [6, true, true, false],
    [17, true, false, false],
    [132, true, false, false],
    [1, false, false, true],
    [58, false, false, true],
    [47, false, false, false],
  ])('fields that protocol %i has', (protocol, ports, flags, icmp) => {
    const [flow] = viewFlows(decode([{ ...TCP, protocol, icmpType: 8, icmpCode: 0 }]));
    expect(flow?.SrcPort !== undefined && flow.DstPort !== undefined).toBe(ports);
    expect(flow?.Flags !== undefined).toBe(flags);
    expect(flow?.IcmpType !== undefined && flow.IcmpCode !== undefined).toBe(icmp);
  });

  test('absent is not zero: no VLAN, no MAC', () => {
    const [flow] = viewFlows(decode([{ src: 'fd00::1', dst: '::', bytes: 1, packets: 1 }]));
    expect(flow).toMatchObject({ VlanId: undefined, SrcMac: '', DstMac: '', Interfaces: [] });
    expect(flow).toMatchObject({ SrcAddr: 'fd00::1', DstAddr: '::', Etype: 0x86dd });
  });

  test('columns that nobody wants are not there', () => {
    const layout = new BatchLayout([{ name: 'Bytes', kind: 'f64' }]);
    const batch = decode([TCP], layout);
    expect(batch.f64('Bytes')[0]).toBe(TCP.bytes);
    expect(batch.length).toBe(1);
  });

  test('rows keep their order and their own lists', () => {
    const observed = fc.array(
      fc.record({
        netns: fc.constantFrom(1, 7, 9),
        index: fc.constantFrom(2, 3),
        ingress: fc.constant(true),
        egress: fc.boolean(),
      }),
      { maxLength: 6 },
    );
    const address = fc.constantFrom('10.0.0.1', '192.0.2.255', '::1', 'fd00::abcd');
    const flow: fc.Arbitrary<FakeFlow> = fc.record({
      src: address,
      dst: address,
      srcPort: fc.integer({ min: 0, max: 65535 }),
      bytes: fc.maxSafeNat(),
      packets: fc.maxSafeNat(),
      observed,
    });
    fc.assert(
      fc.property(fc.array(flow, { minLength: 1, maxLength: 40 }), (flows) => {
        const views = viewFlows(decode(flows));
        expect(
          views.map(({ SrcAddr, SrcPort, Bytes, Packets }) => [SrcAddr, SrcPort, Bytes, Packets]),
        ).toEqual(flows.map(({ src, srcPort, bytes, packets }) => [src, srcPort, bytes, packets]));
        expect(views.map((view) => view.IfDirections)).toEqual(
          flows.map((one) => one.observed?.map((seen) => (seen.egress === true ? 3 : 0))),
        );
        expect(views.every((view) => view.Interfaces.length === view.IfDirections.length)).toBe(
          true,
        );
      }),
    );
  });

  test('routers’ fields: the first interface that saw the flow in, and the first out', () => {
    const onlyIn = [{ netns: 1, index: 5, ingress: true }];
    const layout = layoutFor(['InIf', 'OutIf']);
    const batch = decode([TCP, { ...TCP, observed: onlyIn }, { ...TCP, observed: [] }], layout);
    expect(rowsOf(batch)).toEqual([{ InIf: 2, OutIf: 2 }, { InIf: 5 }, {}]);
    const bothWays = [{ netns: 1, index: 2 ** 26, ingress: true, egress: true }];
    expect(rowsOf(decode([{ ...TCP, observed: bothWays }], layout))).toEqual([
      { InIf: 2 ** 26, OutIf: 2 ** 26 },
    ]);
  });

  test('sums are exact', () => {
    const buffer = new DrainBuffer(2);
    for (const row of [0, 1]) writeFlow(TCP, row, buffer.keys, buffer.values);
    expect(sumFlows(buffer, 2)).toEqual({ packets: TCP.packets * 2, bytes: TCP.bytes * 2 });
  });
});
