import { describe, expect, test } from 'vitest';
import { networkEventOf } from '../../../../src/agent/ovn/network-event.ts';
import { NorthModel } from '../../../../src/agent/ovn/north.ts';
import { InterfaceNetworks } from '../../../../src/agent/ovn/switch.ts';

/** A row of the table ACL as sent on the wire. */
function acl(
  ids: Readonly<Record<string, string>>,
  rest: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return { action: 'allow-related', external_ids: ['map', Object.entries(ids)], ...rest };
}

const ids = (type: string, name = '', direction = 'Ingress') => ({
  'k8s.ovn.org/owner-type': type,
  'k8s.ovn.org/name': name,
  direction,
});

describe('events of access-control lists', () => {
  test.each([
    ['NetworkPolicy', 'shop:allow-web', { Namespace: 'shop', Name: 'allow-web' }],
    ['NetworkPolicy', 'a:b:c', { Namespace: 'a', Name: 'b:c' }],
    ['NetworkPolicy', 'unusual', { Namespace: '', Name: 'unusual' }],
    ['AdminNetworkPolicy', 'tier', { Namespace: '', Name: 'tier' }],
    ['BaselineAdminNetworkPolicy', 'default', { Namespace: '', Name: 'default' }],
    ['MulticastNS', 'shop', { Namespace: 'shop', Name: '' }],
    ['MulticastCluster', 'ignored', { Namespace: '', Name: '' }],
    ['NetpolNamespace', 'shop', { Namespace: 'shop', Name: '' }],
    ['NetpolNode', 'ignored', { Namespace: '', Name: '', Direction: 'Ingress' }],
    ['EgressFirewall', 'shop', { Namespace: 'shop', Name: '', Direction: 'Egress' }],
    ['UDNIsolation', 'secondary', { Namespace: '', Name: 'secondary', Direction: '' }],
    ['SomethingNew', 'x', { Namespace: '', Name: '', Direction: '' }],
  ])('%s %s', (type, name, wanted) => {
    const event = networkEventOf(acl(ids(type, name, 'Egress')));
    expect(event).toEqual({
      Feature: 'acl',
      Action: 'allow-related',
      Type: type,
      Direction: 'Egress',
      ...wanted,
    });
  });

  test('of a row that is not as it should be', () => {
    const nothing = { Action: '', Type: '', Name: '', Namespace: '', Direction: '' };
    expect(networkEventOf({ action: 7, external_ids: ['set', []] })).toMatchObject(nothing);
  });
});

const DOMAIN_NEW = 0x0200_0005;
const DOMAIN_ESTABLISHED = 0x0300_0005;

describe('the northbound database', () => {
  const row = acl(ids('NetworkPolicy', 'shop:web'), {
    sample_new: ['uuid', 'sample-1'],
    sample_est: ['uuid', 'sample-2'],
  });

  function model(): NorthModel {
    const found = new NorthModel();
    found.set('Sample', 'sample-1', { metadata: 101 });
    found.set('Sample', 'sample-2', { metadata: 102 });
    found.set('ACL', 'acl-1', row);
    return found;
  }

  test('samples of new and of established connections lead to their list', () => {
    const known = model();
    expect(known.eventOf(DOMAIN_NEW, 101)).toMatchObject({ Namespace: 'shop', Name: 'web' });
    expect(known.eventOf(DOMAIN_ESTABLISHED, 102)).toBe(known.eventOf(DOMAIN_NEW, 101));
    // A point of the other kind (default drops), and unknown points.
    expect(known.eventOf(DOMAIN_NEW, 102)).toBeUndefined();
    expect(known.eventOf(0x0100_0005, 101)).toBeUndefined();
    expect(known.eventOf(DOMAIN_NEW, 999)).toBeUndefined();
  });

  test('rows may come in any order, change and go', () => {
    const known = new NorthModel();
    known.set('ACL', 'acl-1', row);
    expect(known.eventOf(DOMAIN_NEW, 101)).toBeUndefined();
    known.set('Sample', 'sample-1', { metadata: 101 });
    expect(known.eventOf(DOMAIN_NEW, 101)).toMatchObject({ Name: 'web' });

    known.set('ACL', 'acl-1', { ...row, action: 'drop' });
    expect(known.eventOf(DOMAIN_NEW, 101)).toMatchObject({ Action: 'drop' });
    known.set('Sample', 'sample-1', { metadata: 105 });
    expect(known.eventOf(DOMAIN_NEW, 101)).toBeUndefined();
    expect(known.eventOf(DOMAIN_NEW, 105)).toMatchObject({ Action: 'drop' });
    known.set('ACL', 'acl-1', { ...row, sample_new: ['set', []], sample_est: ['set', []] });
    expect(known.eventOf(DOMAIN_NEW, 105)).toBeUndefined();
    known.set('ACL', 'acl-1', row);
    known.set('ACL', 'acl-1', undefined);
    expect(known.eventOf(DOMAIN_NEW, 105)).toBeUndefined();
  });

  test('a sample that another list has taken over stays with it', () => {
    const known = model();
    known.set('ACL', 'acl-2', { ...row, action: 'drop' });
    known.set('ACL', 'acl-1', undefined);
    expect(known.eventOf(DOMAIN_NEW, 101)).toMatchObject({ Action: 'drop' });
  });

  test('sets of collectors, each once', () => {
    const known = new NorthModel();
    known.set('Sample_Collector', 'c1', { set_id: 42 });
    known.set('Sample_Collector', 'c2', { set_id: 42 });
    known.set('Sample_Collector', 'c3', { set_id: 7 });
    expect(known.collectorSets).toEqual([7, 42]);
    known.set('Sample_Collector', 'c3', undefined);
    expect(known.collectorSets).toEqual([42]);
    known.reset();
    expect(known.collectorSets).toEqual([]);
  });
});

describe('networks of interfaces', () => {
  const pod = { 'iface-id': 'shop_web', 'iface-id-ver': '1' };
  const labelOf = (external: Readonly<Record<string, string>>): string => {
    const networks = new InterfaceNetworks();
    networks.set('u', { name: 'veth1', external_ids: ['map', Object.entries(external)] });
    return networks.labelOf('veth1');
  };

  test.each([
    ['of a namespace', { ...pod, 'k8s.ovn.org/network': 'shop_blue' }, 'shop/blue'],
    ['of the cluster', { ...pod, 'k8s.ovn.org/network': 'cluster_udn_green' }, 'green'],
    ['every pod has', pod, 'default'],
    ['made another way', { ...pod, 'k8s.ovn.org/network': 'mynet' }, 'default'],
    ['of no pod', { 'iface-id': 'x' }, ''],
  ])('%s', (_what, external, label) => {
    expect(labelOf(external)).toBe(label);
  });

  test('an interface that is renamed or gone has no label any more', () => {
    const networks = new InterfaceNetworks();
    const external_ids = ['map', Object.entries(pod)];
    networks.set('u', { name: 'veth1', external_ids });
    networks.set('u', { name: 'veth2', external_ids });
    expect([networks.labelOf('veth1'), networks.labelOf('veth2')]).toEqual(['', 'default']);
    networks.set('u', undefined);
    expect(networks.labelOf('veth2')).toBe('');
  });
});
