import { mapOf, type OvsdbRow, textOf } from '../../net/ovsdb/values.ts';

/**
 * An access-control list's action on a packet, in terms of the external ids that ovn-kubernetes
 * gives its lists. Fields without a meaning for the kind of policy are empty.
 */
export interface NetworkEvent {
  readonly Feature: 'acl';
  /** allow, allow-related, allow-stateless, drop, reject, pass */
  readonly Action: string;
  /** Kind of object that the list was made for: NetworkPolicy, EgressFirewall … */
  readonly Type: string;
  readonly Name: string;
  readonly Namespace: string;
  readonly Direction: string;
}

/** Keys of `external_ids`. */
const OWNER_TYPE = 'k8s.ovn.org/owner-type';
const OBJECT_NAME = 'k8s.ovn.org/name';
const DIRECTION = 'direction';

/** The parts of the owner's name, and the direction where it is implied. */
interface Naming {
  readonly name: 'name' | 'namespace' | 'namespace:name' | 'none';
  readonly direction?: string;
}

const NAMINGS: Readonly<Record<string, Naming>> = {
  NetworkPolicy: { name: 'namespace:name' },
  AdminNetworkPolicy: { name: 'name' },
  BaselineAdminNetworkPolicy: { name: 'name' },
  MulticastNS: { name: 'namespace' },
  NetpolNamespace: { name: 'namespace' },
  MulticastCluster: { name: 'none' },
  EgressFirewall: { name: 'namespace', direction: 'Egress' },
  UDNIsolation: { name: 'name', direction: '' },
  NetpolNode: { name: 'none', direction: 'Ingress' },
};

/** Converts a row of OVN's table ACL. */
export function networkEventOf(acl: OvsdbRow): NetworkEvent {
  const ids = mapOf(acl.external_ids);
  const type = ids.get(OWNER_TYPE) ?? '';
  const naming = NAMINGS[type];
  const object = ids.get(OBJECT_NAME) ?? '';
  const colon = object.indexOf(':');
  const isBoth = naming?.name === 'namespace:name' && colon >= 0;
  const hasNamespace = naming?.name === 'namespace' || isBoth;
  const hasName = naming?.name === 'name' || naming?.name === 'namespace:name';
  return {
    Feature: 'acl',
    Action: textOf(acl.action),
    Type: type,
    Name: hasName ? object.slice(isBoth ? colon + 1 : 0) : '',
    Namespace: hasNamespace ? object.slice(0, isBoth ? colon : undefined) : '',
    Direction: naming?.direction ?? (naming === undefined ? '' : (ids.get(DIRECTION) ?? '')),
  };
}
