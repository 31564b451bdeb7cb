import type { Feature, FieldUnit } from './field.ts';
import { fieldByName } from './fields.ts';

/** How the values of a time step become one point of a line. */
export type LineFunction = 'min' | 'avg' | 'p90' | 'p99';

/** How the overview shows a measure. */
export type MeasurePanel =
  /**
   * The rate over time, split by these fields; without them by those that the user chooses. Only
   * for amounts.
   */
  | { readonly kind: 'rate'; readonly title: string; readonly by?: readonly string[] }
  /** The groups with the largest sum or, for durations, the largest average. */
  | { readonly kind: 'ranking'; readonly title: string; readonly by: readonly string[] }
  /** Lines over time, the lowest first. Only for durations. */
  | { readonly kind: 'lines'; readonly title: string; readonly functions: readonly LineFunction[] };

/** A Prometheus metric of the default pipeline: a counter, or a histogram for durations. */
export interface MeasureMetric {
  /** Without the prefix. Durations are in seconds. */
  readonly name: string;
  /** Fields with few values: a host sees any number of addresses and ports. */
  readonly labels: readonly string[];
  /** Leaves out flows in the other direction, from the node's point of view. */
  readonly direction?: 'ingress' | 'egress';
}

/** A row of the table of measures: the value that is summed, and where it is shown. */
export interface MeasureSpec {
  /** `type` in queries and links; also names the texts of the measure. */
  readonly id: string;
  readonly title: string;
  /** One sentence for the reference page and for the help of metrics. */
  readonly meaning: string;
  /** A numeric field; absent: each flow counts 1. */
  readonly field?: string;
  /** Counts only flows that have any of these fields. */
  readonly having?: readonly string[];
  /** Measured only where the feature is on. */
  readonly feature?: Feature;
  /** Shown in place of a chart when the time range has no value. */
  readonly empty: string;
  readonly panels?: readonly MeasurePanel[];
  readonly metrics?: readonly MeasureMetric[];
}

const NODE = ['AgentIP'];
const NODE_AND_SUBNETS = [...NODE, 'SrcSubnetLabel', 'DstSubnetLabel'];
const NO_FLOW = 'No flow in this time.';

/**
 * All measures. The overview orders features by their first measure here, and the panels of a
 * feature by its measures.
 */
const ROWS = [
  {
    id: 'Bytes',
    title: 'Bytes',
    meaning: 'Bytes on the wire.',
    field: 'Bytes',
    empty: NO_FLOW,
    panels: [{ kind: 'rate', title: 'Byte rate' }],
    metrics: [
      { name: 'node_ingress_bytes_total', labels: NODE_AND_SUBNETS, direction: 'ingress' },
      { name: 'node_egress_bytes_total', labels: NODE_AND_SUBNETS, direction: 'egress' },
      { name: 'service_bytes_total', labels: ['DstService', 'Proto'] },
    ],
  },
  {
    id: 'Packets',
    title: 'Packets',
    meaning: 'Packets on the wire.',
    field: 'Packets',
    empty: NO_FLOW,
    panels: [{ kind: 'rate', title: 'Packet rate' }],
    metrics: [
      { name: 'node_ingress_packets_total', labels: NODE_AND_SUBNETS, direction: 'ingress' },
      { name: 'node_egress_packets_total', labels: NODE_AND_SUBNETS, direction: 'egress' },
    ],
  },
  {
    id: 'Flows',
    title: 'Flows',
    meaning: 'Flows reported by the node.',
    empty: NO_FLOW,
    metrics: [{ name: 'node_flows_total', labels: [...NODE, 'FlowDirection', 'Proto'] }],
  },
  {
    id: 'PktDropPackets',
    title: 'Dropped packets',
    meaning: 'Packets that the kernel dropped.',
    field: 'PktDropPackets',
    feature: 'pktDrop',
    empty: 'No packet was dropped in this time.',
    panels: [
      { kind: 'rate', title: 'Dropped packets', by: ['PktDropLatestDropCause'] },
      { kind: 'rate', title: 'Dropped packets', by: ['PktDropLatestState'] },
      { kind: 'ranking', title: 'Top causes of drops', by: ['PktDropLatestDropCause'] },
    ],
    metrics: [{ name: 'node_drop_packets_total', labels: [...NODE, 'PktDropLatestDropCause'] }],
  },
  {
    id: 'PktDropBytes',
    title: 'Dropped bytes',
    meaning: 'Bytes that the kernel dropped.',
    field: 'PktDropBytes',
    feature: 'pktDrop',
    empty: 'No packet was dropped in this time.',
    metrics: [{ name: 'node_drop_bytes_total', labels: [...NODE, 'PktDropLatestDropCause'] }],
  },
  {
    id: 'DnsLatencyMs',
    title: 'DNS latency',
    meaning: 'Time between a DNS query and its answer.',
    field: 'DnsLatencyMs',
    feature: 'dnsTracking',
    empty: 'No DNS answer in this time.',
    panels: [{ kind: 'lines', title: 'DNS latency', functions: ['avg', 'p90', 'p99'] }],
    metrics: [{ name: 'node_dns_latency_seconds', labels: [...NODE, 'DnsFlagsResponseCode'] }],
  },
  {
    id: 'DnsFlows',
    title: 'DNS flows',
    meaning: 'Flows with a DNS answer.',
    having: ['DnsId', 'DnsFlagsResponseCode'],
    feature: 'dnsTracking',
    empty: 'No DNS answer in this time.',
    panels: [
      { kind: 'rate', title: 'DNS flows', by: ['DnsFlagsResponseCode'] },
      { kind: 'ranking', title: 'Top names in DNS', by: ['DnsName'] },
    ],
  },
  {
    id: 'TimeFlowRttNs',
    title: 'TCP round-trip time',
    meaning: 'Smoothed round-trip time of TCP.',
    field: 'TimeFlowRttNs',
    feature: 'flowRTT',
    empty: 'No round trip was measured in this time.',
    panels: [
      { kind: 'lines', title: 'TCP round-trip time', functions: ['min', 'avg', 'p90', 'p99'] },
      { kind: 'ranking', title: 'Longest round trips, on average', by: ['SrcAddr', 'DstAddr'] },
    ],
    metrics: [{ name: 'node_rtt_seconds', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'TcpRetransmissions',
    title: 'TCP retransmissions',
    meaning: 'TCP segments that were sent again.',
    field: 'TcpRetransmissions',
    feature: 'tcpHealth',
    empty: 'No TCP segment was sent again in this time.',
    panels: [
      { kind: 'rate', title: 'TCP retransmissions', by: ['DstAddr'] },
      { kind: 'ranking', title: 'Most retransmissions', by: ['SrcAddr', 'DstAddr'] },
    ],
    metrics: [{ name: 'node_tcp_retransmissions_total', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'TcpHandshakeNs',
    title: 'TCP handshake time',
    meaning: 'Time from the SYN of the local end until the connection was established.',
    field: 'TcpHandshakeNs',
    feature: 'tcpHealth',
    empty: 'No TCP connection was established in this time.',
    panels: [{ kind: 'lines', title: 'TCP handshake time', functions: ['avg', 'p90', 'p99'] }],
    metrics: [{ name: 'node_tcp_handshake_seconds', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'TcpFailedConnects',
    title: 'Failed TCP connects',
    meaning: 'Attempts to open a TCP connection that failed.',
    field: 'TcpFailedConnects',
    feature: 'tcpHealth',
    empty: 'No TCP connect failed in this time.',
    panels: [{ kind: 'ranking', title: 'Most failed connects', by: ['DstAddr', 'DstPort'] }],
    metrics: [{ name: 'node_tcp_failed_connects_total', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'TcpZeroWindows',
    title: 'TCP zero windows',
    meaning:
      'TCP segments that asked the peer to stop sending because the receive buffer was full.',
    field: 'TcpZeroWindows',
    feature: 'tcpHealth',
    empty: 'No receive buffer of TCP was full in this time.',
    panels: [{ kind: 'ranking', title: 'Hosts with full receive buffers', by: ['SrcAddr'] }],
    metrics: [{ name: 'node_tcp_zero_windows_total', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'TcpResets',
    title: 'TCP resets',
    meaning: 'TCP segments that reset a connection.',
    field: 'TcpResets',
    feature: 'tcpHealth',
    empty: 'No TCP connection was reset in this time.',
    panels: [{ kind: 'ranking', title: 'Most connection resets', by: ['SrcAddr', 'DstAddr'] }],
    metrics: [{ name: 'node_tcp_resets_total', labels: NODE_AND_SUBNETS }],
  },
  {
    id: 'ProcessBytes',
    title: 'Bytes of processes',
    meaning: 'Bytes of flows whose local process is known.',
    field: 'Bytes',
    having: ['ProcessName'],
    feature: 'processes',
    empty: 'No flow of a known process in this time.',
    panels: [
      { kind: 'rate', title: 'Byte rate', by: ['ProcessName'] },
      { kind: 'ranking', title: 'Top processes', by: ['ProcessName'] },
      { kind: 'ranking', title: 'Top containers and services', by: ['Workload'] },
    ],
  },
  {
    id: 'SrcCountryBytes',
    title: 'Bytes by country of sources',
    meaning: 'Bytes of flows with a source in a known country.',
    field: 'Bytes',
    having: ['SrcLocation_CountryLongName'],
    feature: 'location',
    empty: 'No flow with a source in a known country in this time.',
    panels: [
      { kind: 'ranking', title: 'Top countries of sources', by: ['SrcLocation_CountryLongName'] },
    ],
  },
  {
    id: 'DstCountryBytes',
    title: 'Bytes by country of destinations',
    meaning: 'Bytes of flows with a destination in a known country.',
    field: 'Bytes',
    having: ['DstLocation_CountryLongName'],
    feature: 'location',
    empty: 'No flow with a destination in a known country in this time.',
    panels: [
      {
        kind: 'ranking',
        title: 'Top countries of destinations',
        by: ['DstLocation_CountryLongName'],
      },
    ],
  },
  {
    id: 'SrcASBytes',
    title: 'Bytes by autonomous system of sources',
    meaning: 'Bytes of flows with a source in a known autonomous system.',
    field: 'Bytes',
    having: ['SrcAS_Number'],
    feature: 'asn',
    empty: 'No flow with a source in a known autonomous system in this time.',
    panels: [
      {
        kind: 'ranking',
        title: 'Top autonomous systems of sources',
        by: ['SrcAS_Number', 'SrcAS_Organization'],
      },
    ],
  },
  {
    id: 'DstASBytes',
    title: 'Bytes by autonomous system of destinations',
    meaning: 'Bytes of flows with a destination in a known autonomous system.',
    field: 'Bytes',
    having: ['DstAS_Number'],
    feature: 'asn',
    empty: 'No flow with a destination in a known autonomous system in this time.',
    panels: [
      {
        kind: 'ranking',
        title: 'Top autonomous systems of destinations',
        by: ['DstAS_Number', 'DstAS_Organization'],
      },
    ],
  },
  {
    id: 'TunnelBytes',
    title: 'Bytes in tunnels',
    meaning: 'Bytes of flows inside a tunnel.',
    field: 'Bytes',
    having: ['TunnelType'],
    feature: 'tunnels',
    empty: 'No flow in a tunnel in this time.',
    panels: [
      { kind: 'rate', title: 'Byte rate in tunnels', by: ['TunnelType'] },
      { kind: 'ranking', title: 'Top virtual networks', by: ['TunnelType', 'TunnelId'] },
      { kind: 'ranking', title: 'Top tunnels', by: ['TunnelSrcAddr', 'TunnelDstAddr'] },
    ],
    metrics: [{ name: 'node_tunnel_bytes_total', labels: [...NODE, 'TunnelType'] }],
  },
] as const satisfies readonly MeasureSpec[];

type Row = (typeof ROWS)[number];

export type MeasureId = Row['id'];

/** Measures that need no feature. */
export type TrafficMeasureId = Exclude<Row, { readonly feature: Feature }>['id'];

/** A row with an id that is known to be in the table. */
export interface Measure extends MeasureSpec {
  readonly id: MeasureId;
}

export const MEASURES: readonly Measure[] = ROWS;

/** Measures that every agent has. */
export const TRAFFIC_MEASURES: readonly TrafficMeasureId[] = ROWS.flatMap((row) =>
  'feature' in row ? [] : [row.id],
);

const BY_ID: ReadonlyMap<string, Measure> = new Map(MEASURES.map((row) => [row.id, row]));

export function measureById(id: string): Measure | undefined {
  return BY_ID.get(id);
}

/** Unit of a measure's sums: the unit of its field, or flows. */
export function unitOfMeasure({ field }: MeasureSpec): FieldUnit | undefined {
  return field === undefined ? 'flows' : fieldByName(field)?.unit;
}
