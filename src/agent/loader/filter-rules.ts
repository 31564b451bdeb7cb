import { assert } from '../../base/assert.ts';
import type { Cidr } from '../../base/ip.ts';
import { filterCondition, filterRule, config as layout, portRange } from '../drain/layout.gen.ts';
import {
  FILTER_RANGES_MAX,
  FILTER_RULES_MAX,
  type FilterRule,
  familyOf,
  keepsUnmatched,
  type PortSide,
  prefixLength,
} from '../filters/rule.ts';

const RULES_SECTION = '.rodata.filters';

/** Rules in order of evaluation: the longest prefix first, then the order of the list. */
export function inOrder(rules: readonly FilterRule[]): readonly FilterRule[] {
  return rules.toSorted((one, other) => prefixLength(other.cidr) - prefixLength(one.cidr));
}

/** Bytes of the datapath's sections that hold the rules, by name. */
export function filterSections(rules: readonly FilterRule[]): Readonly<Record<string, Uint8Array>> {
  assert(rules.length <= FILTER_RULES_MAX, 'rules fit the datapath');
  const bytes = new Uint8Array(FILTER_RULES_MAX * filterRule.sizeBytes);
  for (const [index, rule] of inOrder(rules).entries()) {
    const at = index * filterRule.sizeBytes;
    writeRule(rule, bytes.subarray(at, at + filterRule.sizeBytes));
  }
  return { [RULES_SECTION]: bytes };
}

/** Sets the fields of `struct config` for the rules. */
export function configureFilter(view: DataView, rules: readonly FilterRule[]): void {
  view.setUint8(layout.filterRules, rules.length);
  view.setUint8(layout.filterSamples, rules.some(({ sample }) => sample > 0) ? 1 : 0);
  const conditions = rules.reduce((all, rule) => all | conditionsOf(rule), 0);
  view.setUint16(layout.filterConditions, conditions, true);
  view.setUint8(layout.filterUnmatched, keepsUnmatched(rules) ? 1 : 0);
}

function writeRule(rule: FilterRule, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (rule.cidr !== undefined) {
    writeNetwork(rule.cidr, bytes, filterRule.mask, filterRule.network);
  }
  if (rule.peer !== undefined) {
    writeNetwork(rule.peer, bytes, filterRule.peerMask, filterRule.peerNetwork);
  }
  writePorts(rule, view);
  view.setUint32(filterRule.conditions, conditionsOf(rule), true);
  view.setUint32(filterRule.sample, rule.sample, true);
  view.setUint16(filterRule.tcpFlags, rule.tcpFlags, true);
  view.setUint8(filterRule.protocol, rule.protocol ?? 0);
  view.setUint8(filterRule.icmpType, rule.icmpType ?? 0);
  view.setUint8(filterRule.icmpCode, rule.icmpCode ?? 0);
}

function writeNetwork({ bytes, prefix }: Cidr, into: Uint8Array, mask: number, at: number): void {
  into.set(bytes, at);
  for (let bit = 0; bit < prefix; bit++) into[mask + (bit >>> 3)]! |= 0x80 >>> (bit & 7);
}

const SIDES: readonly (readonly [PortSide, end: number])[] = [
  ['source', filterRule.sourceEnd],
  ['destination', filterRule.destinationEnd],
  ['either', filterRule.eitherEnd],
];

function writePorts({ ports }: FilterRule, view: DataView): void {
  let count = 0;
  for (const [side, end] of SIDES) {
    for (const { first, last } of ports[side] ?? []) {
      assert(count < FILTER_RANGES_MAX, 'ports of a rule fit the datapath');
      const at = filterRule.ports + count * portRange.sizeBytes;
      view.setUint16(at + portRange.first, first, true);
      view.setUint16(at + portRange.last, last, true);
      count++;
    }
    view.setUint8(end, count);
  }
}

function conditionsOf(rule: FilterRule): number {
  const network = rule.cidr ?? rule.peer;
  const family = network === undefined ? undefined : familyOf(network);
  const conditions: readonly (readonly [boolean, number])[] = [
    [rule.action === 'Accept', filterCondition.accept],
    [rule.peer !== undefined, filterCondition.peer],
    [family === 6, filterCondition.notIpv4],
    [family === 4, filterCondition.notIpv6],
    [rule.direction === 'Ingress', filterCondition.ingress],
    [rule.direction === 'Egress', filterCondition.egress],
    [rule.protocol !== undefined, filterCondition.protocol],
    [rule.ports.source !== undefined, filterCondition.sourcePort],
    [rule.ports.destination !== undefined, filterCondition.destinationPort],
    [rule.ports.either !== undefined, filterCondition.eitherPort],
    [rule.tcpFlags !== 0, filterCondition.tcpFlags],
    [rule.icmpType !== undefined, filterCondition.icmpType],
    [rule.icmpCode !== undefined, filterCondition.icmpCode],
    [rule.drops, filterCondition.drops],
  ];
  return conditions.reduce((sum, [holds, bit]) => (holds ? sum | bit : sum), 0);
}
