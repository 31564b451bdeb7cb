import { expect, test } from 'vitest';
import {
  COMMON_GROUPINGS,
  groupLabel,
  groupTerms,
  isOverlapping,
} from '../../../../../src/console/web/overview/group-names.ts';
import { DEFAULT_VIEW } from '../../../../../src/console/web/state/view-state.ts';
import { frontendConfigOf } from '../frontend-config.ts';

const config = frontendConfigOf();
const SERVICES = ['Proto', 'ServicePort'];

test('the list of services goes by the port that serves, whichever way the flows went', () => {
  expect(DEFAULT_VIEW.panels).toContainEqual(SERVICES);
  expect(COMMON_GROUPINGS).toContainEqual(SERVICES);
  expect(groupLabel(['6', '443'], SERVICES, config, '-')).toBe('TCP 443 https');
  expect(groupLabel(['1', '0'], SERVICES, config, '-')).toBe('ICMP');
  expect(groupTerms(['6', '443'], SERVICES, config)).toEqual([
    { id: 'protocol', operator: '=', values: ['6'], disabled: false },
    { id: 'port', operator: '=', values: ['443'], disabled: false },
  ]);
});

test('an arrow leads from one end to the other, and nowhere else', () => {
  expect(groupLabel(['10.0.0.1', '10.0.0.2'], ['SrcAddr', 'DstAddr'], config, '-')).toBe(
    '10.0.0.1 → 10.0.0.2',
  );
  expect(groupLabel(['10.0.0.2', '443'], ['DstAddr', 'DstPort'], config, '-')).toBe(
    '10.0.0.2 443 https',
  );
  expect(groupLabel(['vxlan', '42'], ['TunnelType', 'TunnelId'], config, '-')).toBe('vxlan 42');
});

test('a flow may be of several groups exactly where a list names them', () => {
  for (const { name, type } of config.fields) {
    expect(isOverlapping(['Proto', name], config), name).toBe(type.endsWith('[]'));
  }
});
