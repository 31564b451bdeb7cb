import type { FieldKind } from '../../flow/field.ts';
import { FIELDS } from '../../flow/fields.ts';
import type { ProtoFile } from '../descriptor.ts';
import { DURATION_FILE, TIMESTAMP_FILE } from '../well-known-files.ts';

/** The first number of our own fields. */
const OWN_NUMBERS_FROM = 100;

const WORDS: Readonly<Partial<Record<FieldKind, string>>> = {
  ...{ f64: 'uint64', str: 'string', addr: 'IP', 'list<str>': 'repeated string' },
};

/** Our own fields, from the field table. */
const OWN_FIELDS = FIELDS.flatMap(({ kind, proto }): readonly string[] => {
  if (proto === undefined) return [];
  const [number, ...inner] = proto.numbers;
  const word = WORDS[kind] ?? 'uint32';
  const isOwn = inner.length === 0 && number! >= OWN_NUMBERS_FROM;
  return [
    ...(isOwn ? [`${word} ${proto.path} = ${number}`] : []),
    ...(proto.exact === undefined ? [] : [`${word} ${proto.path}_exact = ${proto.exact}`]),
  ];
});

/** The protocol of `netobserv-ebpf-agent`, with our own fields. */
export const PBFLOW_FILE: ProtoFile = {
  name: 'proto/flow.proto',
  package: 'pbflow',
  imports: [TIMESTAMP_FILE, DURATION_FILE],
  enums: { Direction: ['INGRESS', 'EGRESS'] },
  mapEntries: { NetworkEvent: ['EventsEntry', 'string key = 1', 'string value = 2'] },
  messages: {
    CollectorReply: [],
    Records: ['repeated Record entries = 1'],
    DataLink: ['uint64 src_mac = 1', 'uint64 dst_mac = 2'],
    IP: ['oneof ip_family fixed32 ipv4 = 1', 'oneof ip_family bytes ipv6 = 2'],
    Network: ['IP src_addr = 1', 'IP dst_addr = 2', 'uint32 dscp = 3'],
    Transport: ['uint32 src_port = 1', 'uint32 dst_port = 2', 'uint32 protocol = 3'],
    DupMapEntry: ['string interface = 1', 'enum Direction direction = 2', 'string udn = 3'],
    NetworkEvent: ['repeated NetworkEvent.EventsEntry events = 1'],
    Xlat: [
      ...['IP src_addr = 1', 'IP dst_addr = 2', 'uint32 src_port = 3', 'uint32 dst_port = 4'],
      'uint32 zone_id = 5',
    ],
    Quic: ['uint32 version = 1', 'uint32 seen_long_hdr = 2', 'uint32 seen_short_hdr = 3'],
    Record: [
      ...['uint32 eth_protocol = 1', 'enum Direction direction = 2'],
      'google.protobuf.Timestamp time_flow_start = 3',
      'google.protobuf.Timestamp time_flow_end = 4',
      ...['DataLink data_link = 5', 'Network network = 6', 'Transport transport = 7'],
      ...['uint64 bytes = 8', 'uint64 packets = 9', 'string interface = 10', 'bool duplicate = 11'],
      ...[
        'IP agent_ip = 12',
        'uint32 flags = 13',
        'uint32 icmp_type = 14',
        'uint32 icmp_code = 15',
      ],
      ...['uint64 pkt_drop_bytes = 16', 'uint64 pkt_drop_packets = 17'],
      ...['uint32 pkt_drop_latest_flags = 18', 'uint32 pkt_drop_latest_state = 19'],
      ...['uint32 pkt_drop_latest_drop_cause = 20', 'uint32 dns_id = 21', 'uint32 dns_flags = 22'],
      'google.protobuf.Duration dns_latency = 23',
      'google.protobuf.Duration time_flow_rtt = 24',
      ...['uint32 dns_errno = 25', 'repeated DupMapEntry dup_list = 26'],
      ...['repeated NetworkEvent network_events_metadata = 27', 'Xlat xlat = 28'],
      ...['uint32 sampling = 29', 'uint32 ipsec_encrypted = 30', 'int32 ipsec_encrypted_ret = 31'],
      ...['string dns_name = 32', 'uint32 ssl_version = 33', 'bool ssl_mismatch = 34'],
      ...['uint32 tls_types = 35', 'uint32 tls_cipher_suite = 36', 'uint32 tls_key_share = 37'],
      'Quic quic = 38',
      ...OWN_FIELDS,
    ],
  },
  service: { name: 'Collector', method: 'Send', input: 'Records', output: 'CollectorReply' },
};
