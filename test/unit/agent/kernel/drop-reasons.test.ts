import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DropReasonNames } from '../../../../src/agent/kernel/drop-reasons.ts';
import { buildBtf } from '../../../support/kernel/btf-builder.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nbt-btf-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const KERNEL = buildBtf([
  {
    name: 'skb_drop_reason_subsys',
    values: [
      ['SKB_DROP_REASON_SUBSYS_CORE', 0],
      ['SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE', 1],
      ['SKB_DROP_REASON_SUBSYS_OPENVSWITCH', 2],
    ],
  },
  { name: 'skb_drop_reason', values: [['SKB_DROP_REASON_NO_SOCKET', 3]] },
]);

test('names are the kernel’s own, and its modules’', () => {
  writeFileSync(join(folder, 'vmlinux'), KERNEL);
  const reasons = new DropReasonNames(folder);
  // The module is loaded after we start.
  const module = { name: 'ovs_drop_reason', values: [['OVS_DROP_LAST_ACTION', 0x20001]] } as const;
  writeFileSync(join(folder, 'openvswitch'), buildBtf([module], KERNEL));

  expect(reasons.areKnown).toBe(true);
  expect(reasons.nameOf(3)).toBe('SKB_DROP_REASON_NO_SOCKET');
  expect(reasons.nameOf(0x20001)).toBe('OVS_DROP_LAST_ACTION');
});

test('what has no name is told by its number', () => {
  writeFileSync(join(folder, 'vmlinux'), KERNEL);
  const reasons = new DropReasonNames(folder);
  expect(reasons.nameOf(999)).toBe('SKB_DROP_REASON_999');
  expect(reasons.nameOf(0x10007)).toBe('SKB_DROP_REASON_SUBSYS_MAC80211_UNUSABLE_7');
  expect(reasons.nameOf(0x90007)).toBe(`SKB_DROP_REASON_${0x90007}`);
});

test('a kernel that does not tell its types', () => {
  const reasons = new DropReasonNames(folder);
  expect(reasons.areKnown).toBe(false);
  expect(reasons.nameOf(3)).toBe('SKB_DROP_REASON_3');
});
