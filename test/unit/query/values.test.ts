import { expect, test } from 'vitest';
import type { Match } from '../../../src/query/ast.ts';
import type { Comparison } from '../../../src/query/numbers.ts';
import { readMatch } from '../../../src/query/values.ts';

const V4 = 0xffff_0000_0000n;

const read = (key: string, operator: Match['operator'], text: string) =>
  readMatch({ kind: 'match', key, operator, values: [{ kind: 'pattern', text }] });

const compared = (comparison: Comparison, value: number) =>
  ({ kind: 'compare', comparison, value }) as const;

test.each([
  ['SrcPort', '=', 'https', { kind: 'equals', value: 443 }],
  ['Proto', '=', 'TCP', { kind: 'equals', value: 6 }],
  ['Proto', '=', 'icmpv6', { kind: 'equals', value: 58 }],
  ['Proto', '=', 'ipip', { kind: 'equals', value: 4 }],
  ['SrcPort', '=', 'DNS', { kind: 'equals', value: 53 }],
  ['DstPort', '=', 'domain', { kind: 'equals', value: 53 }],
  ['Etype', '=', 'ipv6', { kind: 'equals', value: 0x86dd }],
  ['Dscp', '=', 'ef', { kind: 'equals', value: 46 }],
  ['Flags', '=', 'syn-ack', { kind: 'bits', value: 256 }],
  ['FlowDirection', '=', 'inner', { kind: 'equals', value: 2 }],
  ['TimeFlowRttNs', '>=', '10ms', compared('>=', 1e7)],
  ['TimeFlowRttNs', '<', '1500', compared('<', 1500)],
  ['DnsLatencyMs', '!>', '1.5s', compared('>', 1500)],
  ['Bytes', '<=', '2k', compared('<=', 2000)],
  ['IfDirections', '>', '0', compared('>', 0)],
  ['DstPort', '=', '8000-8080', { kind: 'within', low: 8000, high: 8080 }],
  ['DstPort', '!=', '0-0', { kind: 'within', low: 0, high: 0 }],
  ['DstPort', '=', 'http-alt', { kind: 'equals', value: 8080 }],
  ['TimeFlowRttNs', '=', '1.5ms-2s', { kind: 'within', low: 1.5e6, high: 2e9 }],
  ['Bytes', '=', '1k-2Mi', { kind: 'within', low: 1000, high: 2 ** 21 }],
  ['IfDirections', '=', '0-1', { kind: 'within', low: 0, high: 1 }],
  ['Flags', '=', 'SYN', { kind: 'bits', value: 2 }],
  ['Flags', '=', '18', { kind: 'equals', value: 18 }],
  ['SrcAddr', '=', '10.0.0.1', { kind: 'between', low: V4 + 0x0a000001n, high: V4 + 0x0a000001n }],
  [
    'SrcAddr',
    '=',
    '10.1.2.3/8',
    { kind: 'between', low: V4 + 0x0a000000n, high: V4 + 0x0affffffn },
  ],
  [
    'SrcAddr',
    '=',
    '10.0.0.1-10.0.0.3',
    { kind: 'between', low: V4 + 0x0a000001n, high: V4 + 0x0a000003n },
  ],
  ['SrcAddr', '~', '10.0.', { kind: 'contains', text: '10.0.' }],
  ['SrcAddr', '=', '10.0.*', { kind: 'glob', text: '10.0.*' }],
  ['SrcMac', '=', 'AA:BB:CC:DD:EE:FF', { kind: 'text', text: 'aa:bb:cc:dd:ee:ff' }],
  ['SrcK8S_Name', '=', 'web', { kind: 'contains', text: 'web' }],
  ['SrcK8S_Name', '=', 'web-*', { kind: 'glob', text: 'web-*' }],
  ['IfDirections', '=', 'egress', { kind: 'text', text: '1' }],
  ['Interfaces', '~', 'eth', { kind: 'contains', text: 'eth' }],
] as const)('%s %s %s', (key, operator, text, expected) => {
  expect(read(key, operator, text).fields.map(({ tests }) => tests)).toEqual([[expected]]);
});

const V6_END = (1n << 128n) - 1n;
const V4_END = V4 + 0xffff_ffffn;

// IPv6 on both sides of the addresses that represent IPv4.
test.each([
  ['::/0', [0n, V4 - 1n], [V4_END + 1n, V6_END]],
  ['::/80', [0n, V4 - 1n]],
  ['::/64', [0n, V4 - 1n], [V4_END + 1n, (1n << 64n) - 1n]],
  ['::-ffff::', [0n, V4 - 1n], [V4_END + 1n, 0xffffn << 112n]],
  ['0.0.0.0/0', [V4, V4_END]],
  ['::ffff:0:0/96', [V4, V4_END]],
  ['fd00::/8', [0xfdn << 120n, (0xfen << 120n) - 1n]],
])('families are apart: SrcAddr=%s', (text, ...bounds) => {
  const tests = bounds.map(([low, high]) => ({ kind: 'between', low, high }));

  expect(read('SrcAddr', '=', text).fields[0]!.tests).toEqual(tests);
  expect(read('SrcAddr', '!=', text)).toMatchObject({ negative: true, fields: [{ tests }] });
});

test.each(['10.0.0.1-fd00::1', '::-10.0.0.1'])('%s is no range: the families differ', (text) => {
  expect(() => read('SrcAddr', '=', text)).toThrow(/"[^"]+" is not a value of SrcAddr/);
});

test.each([
  ['Port', ['SrcPort', 'DstPort']],
  ['Addr', ['SrcAddr', 'DstAddr']],
  ['K8S_Namespace', ['SrcK8S_Namespace', 'DstK8S_Namespace']],
  ['XlatK8S_Name', ['XlatSrcK8S_Name', 'XlatDstK8S_Name']],
])('%s stands for both ends', (key, names) => {
  const value = { kind: 'empty' as const };
  const { fields } = readMatch({ kind: 'match', key, operator: '=', values: [value] });
  expect(fields.map(({ field }) => field.name)).toEqual(names);
});
