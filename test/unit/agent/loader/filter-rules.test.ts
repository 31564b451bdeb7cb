import { expect, test } from 'vitest';
import { filterRule, config as layout } from '../../../../src/agent/drain/layout.gen.ts';
import { parseFilterRules } from '../../../../src/agent/filters/parse.ts';
import { FILTER_RANGES_MAX, FILTER_RULES_MAX } from '../../../../src/agent/filters/rule.ts';
import {
  configureFilter,
  filterSections,
  inOrder,
} from '../../../../src/agent/loader/filter-rules.ts';

const rulesOf = (text: string) => parseFilterRules(text).rules;

test('bounds are the datapath’s', () => {
  expect(filterRule.portsMax).toBe(FILTER_RANGES_MAX);
  const [bytes] = Object.values(filterSections([]));
  expect(bytes).toEqual(new Uint8Array(FILTER_RULES_MAX * filterRule.sizeBytes));
});

test('the longest prefix first, as it is written; then the order of the list', () => {
  const rules = rulesOf(
    'sample=1; ip_cidr=10.0.0.0/8 sample=2; ip_cidr=fd00::/16 sample=3; ip_cidr=10.1.0.0/16 sample=4;' +
      'ip_cidr=0.0.0.0/0 sample=5; ip_cidr=::/0 sample=6; ip_cidr=10.0.0.1/32 sample=7',
  );
  expect(inOrder(rules).map(({ sample }) => sample)).toEqual([7, 3, 4, 2, 1, 5, 6]);
});

test.each([
  ['', 0, 0, 1],
  ['port=80', 1, 0, 0],
  ['action=Reject port=80', 1, 0, 1],
  ['action=Reject port=80 sample=2; port=80', 2, 1, 0],
])('knobs of %j', (text, count, samples, unmatched) => {
  const view = new DataView(new ArrayBuffer(layout.sizeBytes));
  configureFilter(view, rulesOf(text));
  const knobs = [layout.filterRules, layout.filterSamples, layout.filterUnmatched];
  expect(knobs.map((at) => view.getUint8(at))).toEqual([count, samples, unmatched]);
});
