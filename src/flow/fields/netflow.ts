import type {
  FieldColumn,
  FieldFilter,
  FieldKind,
  FieldSpec,
  FieldUnit,
  FilterComponent,
  Renderer,
} from '../field.ts';
import type { IpfixElement } from '../wire.ts';

interface Extra {
  readonly unit?: FieldUnit;
  readonly ipfix?: readonly [name: string, id: number, v6?: IpfixElement];
  readonly cardinality?: 'fine' | 'avoid';
  readonly names?: FieldSpec['names'];
  readonly pair?: string;
  readonly column?: FieldColumn;
  readonly filter?: FieldFilter;
}

const EXPORTER = 'Exporter';
const SECONDS = 'Whole Seconds';
const ROUTE = 'Route';
const DOMAIN = 'Observation Domain';

/**
 * Fields that only routers and switches report, under the names of `flowlogs-pipeline`. Fields that
 * agents report as well (addresses, ports, counters, times) are in the other families.
 */
export const netflowFields: readonly FieldSpec[] = [
  row('Type', 'str', 'Protocol that brought the flow, such as NETFLOW_V9, IPFIX or SFLOW_5.', {
    cardinality: 'fine',
    column: shown(EXPORTER, 'Type', 'Export Protocol', 'text'),
  }),
  row('SequenceNum', 'u32', 'Sequence number of the datagram.', {
    cardinality: 'avoid',
    column: shown(EXPORTER, 'SequenceNum', 'Datagram', 'text'),
  }),
  row('SamplingRate', 'f64', 'One packet in this many was sampled by the exporter.', {
    unit: 'packets',
    ipfix: ['samplingInterval', 34],
    cardinality: 'fine',
    column: shown(EXPORTER, 'SamplingRate', 'Sampling Rate', 'number'),
  }),
  row(
    'SamplerAddress',
    'addr',
    'Address that the datagram came from; for sFlow, the address that the agent gives.',
    {
      cardinality: 'fine',
      column: shown(EXPORTER, 'SamplerAddress', 'IP', 'address'),
      filter: wanted('exporter_address', 'Exporter IP', 'text', 'Address of an exporter.'),
    },
  ),
  row('SamplerName', 'str', 'Name of the exporter, by the file of exporters.', {
    cardinality: 'fine',
    column: shown(EXPORTER, 'SamplerName', 'Name', 'text'),
    filter: wanted('exporter_name', 'Exporter Name', 'autocomplete', 'Name of an exporter.'),
  }),
  row('SamplerSite', 'str', 'Place of the exporter, by the file of exporters.', {
    cardinality: 'fine',
    column: shown(EXPORTER, 'SamplerSite', 'Site', 'text'),
    filter: wanted('exporter_site', 'Exporter Site', 'autocomplete', 'Place of exporters.'),
  }),
  row('SamplerRole', 'str', 'Task of the exporter, by the file of exporters.', {
    cardinality: 'fine',
    column: shown(EXPORTER, 'SamplerRole', 'Role', 'text'),
    filter: wanted('exporter_role', 'Exporter Role', 'autocomplete', 'Task of exporters.'),
  }),
  row('TimeFlowStart', 'f64', 'Time of the first packet, in whole seconds.', {
    unit: 'epoch-seconds',
    ipfix: ['flowStartSeconds', 150],
    cardinality: 'avoid',
    column: shown(SECONDS, 'TimeFlowStart', 'Start', 'datetime'),
  }),
  row('TimeFlowEnd', 'f64', 'Time of the last packet, in whole seconds.', {
    unit: 'epoch-seconds',
    ipfix: ['flowEndSeconds', 151],
    cardinality: 'avoid',
    column: shown(SECONDS, 'TimeFlowEnd', 'End', 'datetime'),
  }),
  ...interfaceRows('In', 'Input', 'input', 'came in by', ['ingressInterface', 10]),
  ...interfaceRows('Out', 'Output', 'output', 'went out by', ['egressInterface', 14]),
  row('SrcVlan', 'u16', 'VLAN on the way in.', { ipfix: ['vlanId', 58], pair: 'Vlan' }),
  row('DstVlan', 'u16', 'VLAN on the way out.', { ipfix: ['postVlanId', 59], pair: 'Vlan' }),
  row('IngressVrfId', 'u32', 'Routing instance on the way in.', {
    ipfix: ['ingressVRFID', 234],
  }),
  row('EgressVrfId', 'u32', 'Routing instance on the way out.', { ipfix: ['egressVRFID', 235] }),
  row('IpTos', 'u8', 'Type-of-service byte of IPv4, or traffic class of IPv6.', {
    ipfix: ['ipClassOfService', 5],
    cardinality: 'fine',
  }),
  row(
    'ForwardingStatus',
    'u8',
    'Forwarding status: how the exporter treated the packets (RFC 7270).',
    {
      ipfix: ['forwardingStatus', 89],
      cardinality: 'fine',
    },
  ),
  row('IpTtl', 'u8', 'Time to live of IPv4, or hop limit of IPv6.', { ipfix: ['ipTTL', 192] }),
  row('TcpFlags', 'u16', 'TCP flags seen in any packet, ORed, as in the header.', {
    unit: 'bitmask',
    names: 'tcpFlags',
    ipfix: ['tcpControlBits', 6],
  }),
  row('Ipv6FlowLabel', 'u32', 'Flow label of IPv6.', {
    ipfix: ['flowLabelIPv6', 31],
    cardinality: 'avoid',
  }),
  row('FragmentId', 'u32', 'Identification of the fragmented packet.', {
    ipfix: ['fragmentIdentification', 54],
    cardinality: 'avoid',
  }),
  row('FragmentOffset', 'u16', 'Offset of the fragment.', {
    ipfix: ['fragmentOffset', 88],
    cardinality: 'avoid',
  }),
  row('BiFlowDirection', 'u8', 'Which side opened a bidirectional flow (RFC 5103).', {
    unit: 'enum',
    ipfix: ['biflowDirection', 239],
    cardinality: 'fine',
  }),
  row('SrcAs', 'u32', 'Autonomous system of the source.', {
    ipfix: ['bgpSourceAsNumber', 16],
    pair: 'As',
    column: shown(ROUTE, 'SrcAs', 'Source AS', 'text'),
  }),
  row('DstAs', 'u32', 'Autonomous system of the destination.', {
    ipfix: ['bgpDestinationAsNumber', 17],
    pair: 'As',
    column: shown(ROUTE, 'DstAs', 'Destination AS', 'text'),
  }),
  row('NextHop', 'addr', 'Address of the next router.', {
    ipfix: ['ipNextHopIPv4Address', 15, { name: 'ipNextHopIPv6Address', id: 62 }],
    column: shown(ROUTE, 'NextHop', 'Next Hop', 'address'),
  }),
  row('NextHopAs', 'u32', 'Autonomous system of the next router.', {
    ipfix: ['bgpNextAdjacentAsNumber', 128],
  }),
  row('SrcNet', 'u8', 'Length of the prefix that routes the source.', {
    ipfix: ['sourceIPv4PrefixLength', 9, { name: 'sourceIPv6PrefixLength', id: 29 }],
    pair: 'Net',
    cardinality: 'fine',
  }),
  row('DstNet', 'u8', 'Length of the prefix that routes the destination.', {
    ipfix: ['destinationIPv4PrefixLength', 13, { name: 'destinationIPv6PrefixLength', id: 30 }],
    pair: 'Net',
    cardinality: 'fine',
  }),
  row('BgpNextHop', 'addr', 'Address of the next router that BGP gives.', {
    ipfix: ['bgpNextHopIPv4Address', 18, { name: 'bgpNextHopIPv6Address', id: 63 }],
  }),
  row('BgpCommunities', 'list<u32>', 'BGP communities of the route.', {}),
  row('AsPath', 'list<u32>', 'Autonomous systems on the route.', { cardinality: 'avoid' }),
  row('HasMpls', 'u8', 'Whether the packets have MPLS labels.', {
    unit: 'boolean',
    cardinality: 'fine',
  }),
  row('MplsCount', 'u32', 'Number of MPLS labels.', { cardinality: 'fine' }),
  ...[1, 2, 3].flatMap((depth) => mplsLabel(`Mpls_${depth}`, `label ${depth} of the MPLS stack`)),
  ...mplsLabel('MplsLast', 'the last label of the MPLS stack'),
  row('ObservationDomainId', 'u32', 'Part of the exporter that saw the flow.', {
    ipfix: ['observationDomainId', 149],
    column: shown(DOMAIN, 'ObservationDomainId', 'Id', 'text'),
  }),
  row('ObservationPointId', 'u32', 'Place in the exporter that saw the flow.', {
    ipfix: ['observationPointId', 138],
  }),
  ...[1, 2, 3, 4, 5].map((nth) =>
    row(`CustomInteger_${nth}`, 'f64', 'A number that the configuration maps here.', {}),
  ),
  ...[1, 2, 3, 4, 5].map((nth) =>
    row(`CustomBytes_${nth}`, 'str', 'Bytes, in base64, that the configuration maps here.', {}),
  ),
  row('CustomList_1', 'list<u32>', 'Numbers that the configuration maps here.', {}),
];

/** The interface of a router, as a number and by its name. */
function interfaceRows(
  prefix: 'In' | 'Out',
  title: string,
  word: string,
  verb: string,
  ipfix: readonly [name: string, id: number],
): readonly FieldSpec[] {
  const group = `${title} Interface`;
  const name = `${prefix}If`;
  const packets = `the interface that the packets ${verb}`;
  const source = 'by the file of exporters, or as the exporter gives it';
  return [
    row(name, 'u32', `SNMP index of ${packets}.`, {
      ipfix,
      column: shown(group, name, 'Index', 'text'),
      filter: wanted(`${word}_index`, `${group} Index`, 'number', 'SNMP index of an interface.'),
    }),
    row(`${name}Name`, 'str', `Name of ${packets}, ${source}.`, {
      column: shown(group, `${name}Name`, 'Name', 'text'),
      filter: wanted(`${word}_interface`, group, 'autocomplete', 'Name of an interface.'),
    }),
    row(`${name}Description`, 'str', `Description of ${packets}, ${source}.`, {
      column: shown(group, `${name}Description`, 'Description', 'text'),
      filter: wanted(`${word}_description`, `${group} Description`, 'text', 'Any part of it.'),
    }),
    row(`${name}SpeedMbps`, 'f64', `Speed of ${packets}, in Mbit/s, by the file of exporters.`, {
      cardinality: 'fine',
      column: shown(group, `${name}SpeedMbps`, 'Mbit/s', 'number'),
    }),
  ];
}

function mplsLabel(prefix: string, what: string): readonly FieldSpec[] {
  return [
    row(`${prefix}Ttl`, 'u8', `Time to live of ${what}.`, {}),
    row(`${prefix}Label`, 'u32', `Value of ${what}.`, {}),
  ];
}

function row(name: string, kind: FieldKind, meaning: string, extra: Extra): FieldSpec {
  const [element, id, v6] = extra.ipfix ?? [];
  return {
    name,
    kind,
    meaning,
    producer: 'netflow',
    feature: 'netflow',
    omitZero: true,
    cardinality: extra.cardinality ?? 'careful',
    ...(extra.unit === undefined ? {} : { unit: extra.unit }),
    ...(extra.names === undefined ? {} : { names: extra.names }),
    ...(extra.pair === undefined ? {} : { pair: extra.pair }),
    ...(extra.column === undefined ? {} : { column: { ...extra.column, tooltip: meaning } }),
    ...(extra.filter === undefined ? {} : { filter: extra.filter }),
    ...(element === undefined || id === undefined
      ? {}
      : { ipfix: v6 === undefined ? { name: element, id } : { name: element, id, v6 } }),
  };
}

function shown(group: string, id: string, name: string, renderer: Renderer): FieldColumn {
  return { id, name, group, width: renderer === 'number' ? 5 : 10, renderer };
}

function wanted(id: string, name: string, component: FilterComponent, hint: string): FieldFilter {
  return { id, name, component, category: 'common', hint };
}
