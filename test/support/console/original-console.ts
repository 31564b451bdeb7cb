/**
 * The configuration of `network-observability-console-plugin`, as facts to compare ours with: its
 * users' links, quick filters and dashboards depend on these ids.
 */

/** Columns: `id`, or `id*` if shown by default, then the name. */
const COLUMN_LINES = `
StartTime Start Time
EndTime* End Time
RecordType* Event / Type
_HashId* Conversation Id
ClusterName Cluster
FlowDuration Duration
CollectionTime Collection Time
CollectionLatency Collection Latency
Sampling Sampling
K8S_Name Names
K8S_Type Kinds
K8S_OwnerName Owners
K8S_OwnerType Owner Kinds
K8S_Namespace Namespaces
Addr IP
Port Ports
Mac MAC
K8S_HostIP Node IP
K8S_HostName Node Name
K8S_Object Kubernetes Objects
K8S_OwnerObject Owner Kubernetes Objects
AddrPort IPs & Ports
Proto* Protocol
Dscp* DSCP
IcmpType ICMP Type
IcmpCode ICMP Code
TCPFlags TCP Flags
FlowDirection Node Direction
Interfaces Interfaces
IfDirections Interface Directions
FlowDirInts Interfaces and Directions
K8S_FlowLayer Flow layer
Udns UDN labels
Bytes* Bytes
Packets* Packets
PktDropBytes Dropped Bytes
PktDropPackets Dropped Packets
PktDropLatestState Drop State
PktDropLatestDropCause Drop Cause
PktDropLatestFlags Drop Flags
DNSId DNS Id
DNSName DNS Name
DNSLatency* DNS Latency
DNSResponseCode* DNS Response Code
DNSErrNo DNS Error
TimeFlowRttMs* Flow RTT
NetworkEvents* Network Events
IPSecStatus* IPsec Status
XlatZoneId* Xlat zone id
XlatSrcAddr Xlat source IP
XlatSrcPort Xlat source port
XlatSrcK8S_Object* Xlat Src Kubernetes Object
XlatDstAddr Xlat destination IP
XlatDstPort Xlat destination port
XlatDstK8S_Object* Xlat Dst Kubernetes Object
XlatK8S_Object Xlat Kubernetes Objects`;

const END_COLUMN_LINES = `
K8S_Name* Name
K8S_Type Kind
K8S_OwnerName Owner
K8S_OwnerType Owner Kind
K8S_Namespace* Namespace
Addr IP
Port* Port
Mac MAC
K8S_HostIP Node IP
K8S_HostName Node Name
K8S_Object Kubernetes Object
K8S_OwnerObject Owner Kubernetes Object
AddrPort IP & Port
Zone Zone
SubnetLabel Subnet Label
NetworkName* Network Name`;

export interface OriginalColumn {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
}

function parseColumns(lines: string, prefix = ''): readonly OriginalColumn[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => {
      const [, id, star, name] = /^(\w+)(\*?) (.*)$/.exec(line)!;
      return { id: prefix + id!, name: name!, default: star === '*' };
    });
}

export const ORIGINAL_COLUMNS: readonly OriginalColumn[] = [
  ...parseColumns(COLUMN_LINES),
  ...parseColumns(END_COLUMN_LINES, 'Src'),
  ...parseColumns(END_COLUMN_LINES, 'Dst'),
];

/** Filters by component; each filter of an end counts as three. */
const END_FILTERS = {
  autocomplete: ['namespace', 'kind', 'zone', 'subnet_label', 'resource', 'port'],
  text: ['name', 'owner_name', 'host_name', 'address', 'host_address', 'mac', 'network'],
} as const;

const OTHER_FILTERS = {
  autocomplete: [
    'cluster_name',
    'protocol',
    'dscp',
    'tcp_flags',
    'ifdirections',
    'node_direction',
    'udns',
    'pkt_drop_state',
    'pkt_drop_cause',
    'dns_flag_response_code',
    'dns_errno',
    'xlat_src_port',
    'xlat_dst_port',
  ],
  text: [
    'flow_layer',
    'interfaces',
    'id',
    'dns_name',
    'network_events',
    'xlat_src_address',
    'xlat_dst_address',
    'ipsec_status',
  ],
  number: ['icmp_type', 'icmp_code', 'dns_id', 'dns_latency', 'time_flow_rtt', 'xlat_zone_id'],
} as const;

export interface OriginalFilter {
  readonly id: string;
  readonly component: string;
  readonly category: string;
}

const CATEGORIES = [
  ['', 'endpoint'],
  ['src_', 'source'],
  ['dst_', 'destination'],
] as const;

export const ORIGINAL_FILTERS: readonly OriginalFilter[] = [
  ...Object.entries(END_FILTERS).flatMap(([component, ids]) =>
    ids.flatMap((id) =>
      CATEGORIES.map(([prefix, category]) => ({ id: prefix + id, component, category })),
    ),
  ),
  ...Object.entries(OTHER_FILTERS).flatMap(([component, ids]) =>
    ids.map((id) => {
      const category = /^xlat_(src|dst)/.exec(id)?.[1];
      const names = { src: 'source', dst: 'destination' } as const;
      const side = category === undefined ? 'common' : names[category as 'src' | 'dst'];
      return { id, component, category: side };
    }),
  ),
];

const END_FIELDS = `K8S_Name K8S_Type K8S_OwnerName K8S_OwnerType K8S_Namespace Addr Port Mac
K8S_HostIP K8S_HostName K8S_Zone SubnetLabel K8S_NetworkName`.split(/\s+/);

export const ORIGINAL_FIELDS: readonly string[] = [
  ...END_FIELDS.map((name) => `Src${name}`),
  ...END_FIELDS.map((name) => `Dst${name}`),
  ...`TimeFlowStartMs TimeFlowEndMs TimeReceived K8S_FlowLayer Proto Dscp Sampling IcmpType IcmpCode
FlowDirection IfDirections Interfaces Udns Flags Bytes Packets PktDropBytes PktDropPackets
PktDropLatestState PktDropLatestDropCause PktDropLatestFlags DnsId DnsName DnsLatencyMs DnsFlags
DnsFlagsResponseCode DnsErrno TimeFlowRttNs NetworkEvents ZoneId XlatSrcPort XlatDstPort XlatSrcAddr
XlatDstAddr K8S_ClusterName IPSecStatus _RecordType _HashId`.split(/\s+/),
];
