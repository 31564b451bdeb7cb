import protobuf from 'protobufjs';
import { FIELDS } from '../../../src/flow/fields.ts';

/**
 * The protocol of `netobserv-ebpf-agent` for protobufjs, a third-party encoder. Fields from 100 on
 * come from the field table.
 */
const PBFLOW = `
syntax = "proto3";
package pbflow;

message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message CollectorReply {}
message Records { repeated Record entries = 1; }
message DataLink { uint64 src_mac = 1; uint64 dst_mac = 2; }
message IP { oneof ip_family { fixed32 ipv4 = 1; bytes ipv6 = 2; } }
message Network { IP src_addr = 1; IP dst_addr = 2; uint32 dscp = 3; }
message Transport { uint32 src_port = 1; uint32 dst_port = 2; uint32 protocol = 3; }
message DupMapEntry { string interface = 1; uint32 direction = 2; string udn = 3; }
message NetworkEvent { map<string, string> events = 1; }
message Xlat {
  IP src_addr = 1; IP dst_addr = 2; uint32 src_port = 3; uint32 dst_port = 4; uint32 zone_id = 5;
}
message Quic { uint32 version = 1; uint32 seen_long_hdr = 2; uint32 seen_short_hdr = 3; }
message Record {
  uint32 eth_protocol = 1; uint32 direction = 2;
  Timestamp time_flow_start = 3; Timestamp time_flow_end = 4;
  DataLink data_link = 5; Network network = 6; Transport transport = 7;
  uint64 bytes = 8; uint64 packets = 9; string interface = 10; bool duplicate = 11;
  IP agent_ip = 12;
  uint32 flags = 13; uint32 icmp_type = 14; uint32 icmp_code = 15;
  uint64 pkt_drop_bytes = 16; uint64 pkt_drop_packets = 17; uint32 pkt_drop_latest_flags = 18;
  uint32 pkt_drop_latest_state = 19; uint32 pkt_drop_latest_drop_cause = 20;
  uint32 dns_id = 21; uint32 dns_flags = 22; Duration dns_latency = 23; Duration time_flow_rtt = 24;
  uint32 dns_errno = 25; repeated DupMapEntry dup_list = 26;
  repeated NetworkEvent network_events_metadata = 27; Xlat xlat = 28; uint32 sampling = 29;
  uint32 ipsec_encrypted = 30; int32 ipsec_encrypted_ret = 31; string dns_name = 32;
  uint32 ssl_version = 33; bool ssl_mismatch = 34; uint32 tls_types = 35;
  uint32 tls_cipher_suite = 36; uint32 tls_key_share = 37; Quic quic = 38;
${extensions()}
}
`;

/** Fields that only our own readers use. */
function extensions(): string {
  const lines: string[] = [];
  for (const { kind, proto } of FIELDS) {
    if (proto === undefined) continue;
    const [number, ...more] = proto.numbers;
    const type = { f64: 'uint64', str: 'string', addr: 'IP', 'list<str>': 'repeated string' };
    const word = type[kind as keyof typeof type] ?? 'uint32';
    if (more.length === 0 && number! >= 100) lines.push(`  ${word} ${proto.path} = ${number};`);
    if (proto.exact !== undefined) lines.push(`  ${word} ${proto.path}_exact = ${proto.exact};`);
  }
  return lines.join('\n');
}

const root = protobuf.parse(PBFLOW, { keepCase: true }).root;

export const PbRecord: protobuf.Type = root.lookupType('pbflow.Record');
export const PbRecords: protobuf.Type = root.lookupType('pbflow.Records');
