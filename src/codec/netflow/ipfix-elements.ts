/** Abstract data types of RFC 7012, section 3.1, that an agent's elements use. */
export type IpfixType =
  | 'unsigned8'
  | 'unsigned16'
  | 'unsigned32'
  | 'unsigned64'
  | 'float64'
  | 'macAddress'
  | 'ipv4Address'
  | 'ipv6Address'
  | 'dateTimeSeconds'
  | 'dateTimeMilliseconds'
  | 'string';

/** In a template: the value is preceded by its length (RFC 7011, section 7). */
export const VARIABLE_LENGTH = 65_535;

export const TYPE_BYTES: Readonly<Record<IpfixType, number>> = {
  unsigned8: 1,
  unsigned16: 2,
  unsigned32: 4,
  unsigned64: 8,
  float64: 8,
  macAddress: 6,
  ipv4Address: 4,
  ipv6Address: 16,
  dateTimeSeconds: 4,
  dateTimeMilliseconds: 8,
  string: VARIABLE_LENGTH,
};

/** Types of the IANA elements that are sent. */
export const IANA_TYPES: ReadonlyMap<number, IpfixType> = new Map<number, IpfixType>([
  [1, 'unsigned64'], // octetDeltaCount
  [2, 'unsigned64'], // packetDeltaCount
  [4, 'unsigned8'], // protocolIdentifier
  [5, 'unsigned8'], // ipClassOfService
  [6, 'unsigned16'], // tcpControlBits
  [7, 'unsigned16'], // sourceTransportPort
  [8, 'ipv4Address'], // sourceIPv4Address
  [10, 'unsigned32'], // ingressInterface
  [11, 'unsigned16'], // destinationTransportPort
  [12, 'ipv4Address'], // destinationIPv4Address
  [14, 'unsigned32'], // egressInterface
  [27, 'ipv6Address'], // sourceIPv6Address
  [28, 'ipv6Address'], // destinationIPv6Address
  [32, 'unsigned16'], // icmpTypeCodeIPv4
  [34, 'unsigned32'], // samplingInterval
  [35, 'unsigned8'], // samplingAlgorithm
  [56, 'macAddress'], // sourceMacAddress
  [61, 'unsigned8'], // flowDirection
  [80, 'macAddress'], // destinationMacAddress
  [82, 'string'], // interfaceName
  [130, 'ipv4Address'], // exporterIPv4Address
  [131, 'ipv6Address'], // exporterIPv6Address
  [132, 'unsigned64'], // droppedOctetDeltaCount
  [133, 'unsigned64'], // droppedPacketDeltaCount
  [136, 'unsigned8'], // flowEndReason
  [139, 'unsigned16'], // icmpTypeCodeIPv6
  [149, 'unsigned32'], // observationDomainId
  [150, 'dateTimeSeconds'], // flowStartSeconds
  [151, 'dateTimeSeconds'], // flowEndSeconds
  [152, 'dateTimeMilliseconds'], // flowStartMilliseconds
  [153, 'dateTimeMilliseconds'], // flowEndMilliseconds
  [176, 'unsigned8'], // icmpTypeIPv4
  [177, 'unsigned8'], // icmpCodeIPv4
  [178, 'unsigned8'], // icmpTypeIPv6
  [179, 'unsigned8'], // icmpCodeIPv6
  [193, 'unsigned8'], // nextHeaderIPv6
  [195, 'unsigned8'], // ipDiffServCodePoint
  [225, 'ipv4Address'], // postNATSourceIPv4Address
  [226, 'ipv4Address'], // postNATDestinationIPv4Address
  [227, 'unsigned16'], // postNAPTSourceTransportPort
  [228, 'unsigned16'], // postNAPTDestinationTransportPort
  [239, 'unsigned8'], // biflowDirection
  [243, 'unsigned16'], // dot1qVlanId
  [256, 'unsigned16'], // ethernetType
  [279, 'unsigned32'], // processId
  [281, 'ipv6Address'], // postNATSourceIPv6Address
  [282, 'ipv6Address'], // postNATDestinationIPv6Address
  [311, 'float64'], // samplingProbability
  [351, 'unsigned64'], // layer2SegmentId
]);
