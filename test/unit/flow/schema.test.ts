import { expect, test } from 'vitest';
import { agentLayout, layoutFor } from '../../../src/flow/schema.ts';

test('a layout has the named fields, in that order, with their kinds', () => {
  expect(layoutFor(['SrcPort', 'SrcAddr']).columns).toEqual([
    { name: 'SrcPort', kind: 'u16' },
    { name: 'SrcAddr', kind: 'addr' },
  ]);
});

test('a field that is not in the table is a bug', () => {
  expect(() => layoutFor(['SrcPrt'])).toThrow('field SrcPrt');
});

test('an agent fills what its features give, and stages add services and labels', () => {
  const plain = agentLayout();
  for (const name of ['SrcAddr', 'Bytes', 'Interfaces', 'DstService', 'SrcSubnetLabel']) {
    expect(plain.has(name), name).toBe(true);
  }
  for (const name of ['DnsName', 'TimeFlowRttNs', 'SrcK8S_Name', 'NextHop', '_HashId']) {
    expect(plain.has(name), name).toBe(false);
  }
  const withDns = agentLayout(new Set(['dnsTracking']));
  expect(withDns.has('DnsName')).toBe(true);
  expect(withDns.has('TimeFlowRttNs')).toBe(false);
});
