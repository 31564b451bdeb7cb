import type { FieldKind, FieldSpec, FieldUnit } from '../field.ts';
import type { IpfixElement } from '../wire.ts';

interface Extra {
  readonly unit?: FieldUnit;
  readonly ipfix?: readonly [name: string, id: number, v6?: IpfixElement];
  readonly cardinality?: 'fine' | 'avoid';
  readonly names?: FieldSpec['names'];
  readonly pair?: string;
}

/**
 * Fields that only routers and switches report, under the names of `flowlogs-pipeline`. Fields that
 * agents report as well (addresses, ports, counters, times) are in the other families.
 */
export const netflowFields: readonly FieldSpec[] = [
  row('Type', 'str', 'Protocol that brought the flow, such as NETFLOW_V9, IPFIX or SFLOW_5.', {
    cardinality: 'fine',
  }),
  row('SequenceNum', 'u32', 'Sequence number of the datagram.', { cardinality: 'avoid' }),
  row('SamplingRate', 'f64', 'One packet in this many was sampled by the exporter.', {
    unit: 'packets',
    ipfix: ['samplingInterval', 34],
    cardinality: 'fine',
  }),
  row(
    'SamplerAddress',
    'addr',
    'Address that the datagram came from; for sFlow, the address that the agent gives.',
    { cardinality: 'fine' },
  ),
  row('TimeFlowStart', 'f64', 'Time of the first packet, in whole seconds.', {
    unit: 'epoch-seconds',
    ipfix: ['flowStartSeconds', 150],
    cardinality: 'avoid',
  }),
  row('TimeFlowEnd', 'f64', 'Time of the last packet, in whole seconds.', {
    unit: 'epoch-seconds',
    ipfix: ['flowEndSeconds', 151],
    cardinality: 'avoid',
  }),
  row('InIf', 'u32', 'SNMP index of the interface that the packets came in by.', {
    ipfix: ['ingressInterface', 10],
  }),
  row('OutIf', 'u32', 'SNMP index of the interface that the packets went out by.', {
    ipfix: ['egressInterface', 14],
  }),
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
  }),
  row('DstAs', 'u32', 'Autonomous system of the destination.', {
    ipfix: ['bgpDestinationAsNumber', 17],
    pair: 'As',
  }),
  row('NextHop', 'addr', 'Address of the next router.', {
    ipfix: ['ipNextHopIPv4Address', 15, { name: 'ipNextHopIPv6Address', id: 62 }],
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
    ...(element === undefined || id === undefined
      ? {}
      : { ipfix: v6 === undefined ? { name: element, id } : { name: element, id, v6 } }),
  };
}
