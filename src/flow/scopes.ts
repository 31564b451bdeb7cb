import type { Feature } from './field.ts';

/** A level at which flows are summed: the unit of a series or of a node of the topology. */
export interface Scope {
  readonly id: string;
  readonly name: string;
  readonly shortName: string;
  readonly description: string;
  /** Fields that distinguish the members of the scope. */
  readonly labels: readonly string[];
  readonly feature?: Feature;
  /** Coarser scopes, joined by `+`, by which members may be grouped. */
  readonly groups?: readonly string[];
  /** Ids of the filters that select a member: one, or one for each end. */
  readonly filters: readonly string[];
  /** Id of the next finer scope. */
  readonly stepInto?: string;
}

/** From the coarsest to the finest. */
export const SCOPES: readonly Scope[] = [
  {
    id: 'cluster',
    name: 'Cluster',
    shortName: 'Cl',
    description: 'Cluster, by name or identifier',
    labels: ['K8S_ClusterName'],
    feature: 'multiCluster',
    filters: ['cluster_name'],
    stepInto: 'zone',
  },
  {
    id: 'network',
    name: 'Network',
    shortName: 'Net',
    description: 'Primary, secondary or user-defined network',
    labels: both('K8S_NetworkName'),
    feature: 'multiNetworks',
    filters: ['src_network', 'dst_network'],
    stepInto: 'namespace',
  },
  {
    id: 'zone',
    name: 'Zone',
    shortName: 'AZ',
    description: 'Availability zone',
    labels: both('K8S_Zone'),
    feature: 'zones',
    groups: ['clusters'],
    filters: ['src_zone', 'dst_zone'],
    stepInto: 'host',
  },
  {
    id: 'host',
    name: 'Node',
    shortName: 'Node',
    description: 'Node that workloads run on',
    labels: both('K8S_HostName'),
    groups: [
      'networks',
      'zones',
      'clusters',
      'clusters+zones',
      'clusters+networks',
      'networks+zones',
    ],
    filters: ['src_host_name', 'dst_host_name'],
    stepInto: 'resource',
  },
  {
    id: 'namespace',
    name: 'Namespace',
    shortName: 'NS',
    description: 'Namespace of the workload',
    labels: both('K8S_Namespace'),
    groups: groupsUnder(['clusters', 'zones', 'hosts']),
    filters: ['src_namespace', 'dst_namespace'],
    stepInto: 'owner',
  },
  {
    id: 'owner',
    name: 'Owner',
    shortName: 'Own',
    description: 'Controller of the workload, such as a Deployment',
    labels: [
      'SrcK8S_OwnerName',
      'SrcK8S_OwnerType',
      'DstK8S_OwnerName',
      'DstK8S_OwnerType',
      'SrcK8S_Namespace',
      'DstK8S_Namespace',
      'SrcSubnetLabel',
      'DstSubnetLabel',
    ],
    groups: groupsUnder(['clusters', 'zones', 'hosts', 'namespaces']),
    filters: ['src_owner_name', 'dst_owner_name'],
    stepInto: 'resource',
  },
  {
    id: 'resource',
    name: 'Resource',
    shortName: 'Res',
    description: 'Pod, Service or Node; otherwise the address',
    labels: [...resourceLabels('Src'), ...resourceLabels('Dst')],
    groups: groupsUnder(['clusters', 'zones', 'hosts', 'namespaces', 'owners']),
    filters: ['src_resource', 'dst_resource'],
  },
];

function both(suffix: string): readonly string[] {
  return [`Src${suffix}`, `Dst${suffix}`];
}

function resourceLabels(prefix: string): readonly string[] {
  const kube = ['Name', 'Type', 'OwnerName', 'OwnerType', 'Namespace'];
  return [
    ...kube.map((name) => `${prefix}K8S_${name}`),
    `${prefix}Addr`,
    `${prefix}K8S_HostName`,
    `${prefix}SubnetLabel`,
  ];
}

/**
 * Each coarser scope alone and with each one below it, then networks likewise: networks are outside
 * of the hierarchy, and a cluster's networks are not grouped.
 */
function groupsUnder(scopes: readonly string[]): readonly string[] {
  const pairs = scopes.flatMap((outer, index) => [
    outer,
    ...scopes.slice(index + 1).map((inner) => `${outer}+${inner}`),
  ]);
  const networks = scopes.filter((scope) => scope !== 'clusters');
  return [...pairs, 'networks', ...networks.map((inner) => `networks+${inner}`)];
}
