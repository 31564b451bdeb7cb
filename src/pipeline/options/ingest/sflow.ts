import { type Static, Type } from 'typebox';
import { strictObject } from '../../../config/schema.ts';
import { optionalText } from '../field.ts';
import { exporterOptions } from './exporters.ts';
import { DatagramTopic } from './kafka.ts';
import { datagramOptions } from './sockets.ts';

export const SflowOptions = strictObject(
  {
    hostName: optionalText(
      'Address to receive on. `::` takes IPv4 and IPv6. Empty: all addresses of IPv4.',
      '0.0.0.0',
    ),
    port: Type.Integer({
      minimum: 1,
      maximum: 65_535,
      default: 6343,
      description: 'UDP port.',
    }),
    ...datagramOptions,
    kafka: DatagramTopic,
    samplingCorrection: Type.Boolean({
      default: true,
      description:
        'Multiply Bytes and Packets by the sampling rate. A sample is one packet, which stands for ' +
        'as many as the rate says; without this, Packets is 1, Bytes is the length of its frame, ' +
        'and sums over flows of different rates mean nothing.',
    }),
    ...exporterOptions,
  },
  {
    description:
      'Takes flows from switches and routers by UDP: sFlow version 5. Each flow sample becomes a ' +
      'flow, with the time of its arrival, as sFlow gives none. Its fields come from the beginning ' +
      'of the packet (Ethernet, VLAN tags, MPLS labels, IPv4, IPv6, TCP, UDP, SCTP, ICMP) or from ' +
      'the records that agents make of it, and from those for switches, routers and gateways; a key ' +
      'that the sample does not have is absent. Bytes is the length of the frame on the wire, for ' +
      'Ethernet with its check sequence of 4 octets. A packet in a VXLAN, Geneve, GRE or IP-in-IP tunnel ' +
      'gives the addresses and ports of the packet inside, if the sample has them, and ' +
      'TunnelSrcAddr and TunnelDstAddr are those around it. ForwardingStatus is 128 for discarded ' +
      'packets. SamplerAddress is the address that the agent gives. At most 128 numbers of AsPath ' +
      'and of BgpCommunities are kept. Counter samples become the metrics ' +
      '`ingest_sflow_interface_*`, of at most 1024 interfaces. Other records and samples are passed ' +
      'over, and counted in `ingest_sflow_skipped_total`. Sequence numbers of at most 4096 sub-agents, and lost samples ' +
      'of at most 65,536 data sources, are followed for two hours after their last datagram. ' +
      'Datagrams that arrive while a branch that blocks is full are lost, and counted. ' +
      'flowlogs-pipeline has no such stage.',
    examples: [{ port: 6343 }],
  },
);

export type SflowOptions = Static<typeof SflowOptions>;
