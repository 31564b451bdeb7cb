import type { ColumnSpec } from '../../flow/batch.ts';
import { kindOf } from '../../flow/fields.ts';

/** The columns that datagrams fill, by the part of a datagram that their values come from. */

/** Places of fields in an array of numbers; NaN in a place is an absent field. */
export type Slots<Name extends string> = Readonly<Record<Name, number>>;

export function slotsOf<Name extends string>(names: readonly Name[]): Slots<Name> {
  return Object.fromEntries(names.map((name, slot) => [name, slot])) as Slots<Name>;
}

/** Numbers that all flows of a datagram share. */
export const DATAGRAM_NUMBERS = [
  ...(['SequenceNum', 'ObservationDomainId', 'TimeReceived'] as const),
  ...(['TimeFlowStart', 'TimeFlowEnd', 'TimeFlowStartMs', 'TimeFlowEndMs'] as const),
] as const;
export const DATAGRAM = slotsOf(DATAGRAM_NUMBERS);

/** Numbers of a sample that are neither in the packet's headers nor about its route. */
export const SAMPLE_NUMBERS = [
  ...(['Bytes', 'Packets', 'SamplingRate', 'InIf', 'OutIf', 'ForwardingStatus'] as const),
  ...(['SrcVlan', 'DstVlan'] as const),
] as const;
export const SAMPLE = slotsOf(SAMPLE_NUMBERS);

/** The stack of MPLS labels; `Mpls_1` is the outermost one. */
export const MPLS_NUMBERS = [
  ...(['HasMpls', 'MplsCount', 'MplsLastTtl', 'MplsLastLabel'] as const),
  ...(['Mpls_1Ttl', 'Mpls_2Ttl', 'Mpls_3Ttl'] as const),
  ...(['Mpls_1Label', 'Mpls_2Label', 'Mpls_3Label'] as const),
] as const;

/** Numbers in the headers of a packet. */
export const PACKET_NUMBERS = [
  ...MPLS_NUMBERS,
  ...(['Etype', 'VlanId', 'Proto', 'SrcPort', 'DstPort', 'TcpFlags', 'IcmpType', 'Flags'] as const),
  ...(['IcmpCode', 'IpTos', 'Dscp', 'IpTtl', 'Ipv6FlowLabel', 'FragmentId'] as const),
  ...(['FragmentOffset', 'TunnelId'] as const),
] as const;
export const PACKET = slotsOf(PACKET_NUMBERS);

/** Numbers about the route of a packet. */
export const ROUTE_NUMBERS = ['SrcNet', 'DstNet', 'SrcAs', 'DstAs', 'NextHopAs'] as const;
export const ROUTE = slotsOf(ROUTE_NUMBERS);

/** Addresses, texts and lists. */
export const OTHER_COLUMNS = [
  ...(['Type', 'SamplerAddress', 'SrcAddr', 'DstAddr', 'NextHop', 'BgpNextHop'] as const),
  ...(['TunnelType', 'TunnelSrcAddr', 'TunnelDstAddr', 'SrcMac', 'DstMac'] as const),
  ...(['AsPath', 'BgpCommunities'] as const),
] as const;

/** All columns that datagrams may fill. */
export function sflowColumns(): readonly ColumnSpec[] {
  const numbers = [DATAGRAM_NUMBERS, SAMPLE_NUMBERS, PACKET_NUMBERS, ROUTE_NUMBERS].flat();
  return [...OTHER_COLUMNS, ...numbers].map((name) => ({ name, kind: kindOf(name)! }));
}
