import { expect, test } from 'vitest';
import { RecordEncoder } from '../../../../src/codec/pbflow/encoder.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BatchLayout, type FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { Row } from '../../../../src/flow/row.ts';
import { PbRecord, PbRecords } from '../../../support/codec/pbflow-schema.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const LAYOUT = new BatchLayout([
  ...agentColumns(),
  { name: 'Interface', kind: 'str' },
  { name: 'Duplicate', kind: 'u8' },
]);

function batch(rows: readonly Row[], layout = LAYOUT): FlowBatch {
  const failures = new Map<string, number>();
  const made = batchOf(layout, new TableSpace().current, rows, failures);
  expect([...failures]).toEqual([]);
  return made;
}

function encodeOne(row: Row, layout = LAYOUT): Uint8Array {
  const encoder = new RecordEncoder('bare');
  expect(encoder.encode(batch([row], layout))).toBe(1);
  return encoder.bytes.slice(encoder.offsets[0], encoder.offsets[1]);
}

function read(bytes: Uint8Array): Record<string, unknown> {
  return PbRecord.toObject(PbRecord.decode(bytes), { longs: Number, bytes: String });
}

const FULL: Row = {
  TimeFlowStartMs: 1_721_480_000_123,
  TimeFlowEndMs: 1_721_480_005_000,
  AgentIP: '10.0.0.7',
  Sampling: 50,
  SrcAddr: '2001:db8::1',
  SrcPort: 443,
  SrcMac: '0a:58:0a:80:02:13',
  DstAddr: '2001:db8::2',
  DstPort: 51_234,
  DstMac: 'fe:ff:ff:ff:ff:01',
  Etype: 0x86dd,
  VlanId: 100,
  Proto: 6,
  Dscp: 46,
  IcmpType: 8,
  IcmpCode: 3,
  Flags: 0x31a,
  FlowDirection: 1,
  Interfaces: ['eth0', 'br-ex'],
  IfDirections: [0, 3],
  Udns: ['default', 'blue'],
  Interface: 'eth0',
  Duplicate: 1,
  Bytes: 9_007_199_254_740_991,
  Packets: 4_294_967_296,
  FlowEndReason: 2,
  Initiator: 1,
  TcpRetransmissions: 1,
  TcpResets: 2,
  TcpFailedConnects: 3,
  TcpZeroWindows: 4,
  TcpHandshakeNs: 5_000_000_000,
  ProcessId: 4_194_304,
  ProcessName: 'nginx',
  Cgroup: '/kubepods/pod1',
  ContainerId: 'abcdef',
  ContainerName: 'web',
  Workload: 'nginx.service',
  PktDropBytes: 70_000,
  PktDropPackets: 65_535,
  PktDropLatestState: 'TCP_CLOSE',
  PktDropLatestDropCause: 'SKB_DROP_REASON_NOT_YET_INVENTED',
  PktDropLatestFlags: 16,
  PktDropLocation: 'tcp_v4_rcv',
  DnsId: 65_535,
  DnsName: 'www.exämple.com',
  DnsLatencyMs: 1234.567891,
  DnsFlags: 0x8187,
  DnsFlagsResponseCode: 'BADCOOKIE',
  DnsErrno: 22,
  DnsQueryType: 'AAAA',
  DnsQueries: 7,
  DnsLostQueries: 6,
  DnsRepeatedQueries: 5,
  DnsAnswers: ['192.0.2.1', '2001:db8::1'],
  SrcDnsName: 'a.example',
  DstDnsName: 'b.example',
  TimeFlowRttNs: 2_000_000_500,
  TimeFlowRttMinNs: 300_000,
  NetworkEvents: [{ Feature: 'acl', Action: 'drop' }, { Message: 'hello' }],
  ZoneId: 9,
  XlatSrcAddr: '2001:db8::3',
  XlatSrcPort: 1000,
  XlatDstAddr: '2001:db8::4',
  XlatDstPort: 8080,
  TunnelType: 'vxlan',
  TunnelId: 16_777_215,
  TunnelSrcAddr: '198.51.100.1',
  TunnelDstAddr: '2001:db8::9',
  IPSecStatus: 'success',
  IPSecRetCode: -22,
  TLSVersion: '~ TLS 1.3',
  TLSCipherSuite: 'TLS_AES_128_GCM_SHA256',
  TLSGroup: 'X25519MLKEM768',
  TLSTypes: ['ClientHello', 'AppData'],
  TLSServerName: 'www.example.com',
  TLSAlpn: ['h2', 'http/1.1'],
  OpenSslBytes: 12_345,
  QuicVersion: 'QUIC v2',
  QuicSeenLongHdr: 1,
  QuicSeenShortHdr: 1,
};

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const v4 = (a: number, b: number, c: number, d: number) => ({
  ipv4: a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d,
});
const v6 = (last: string) => ({ ipv6: bytesOf(`20010db80000000000000000000000${last}`) });

const FULL_MESSAGE = {
  eth_protocol: 0x86dd,
  direction: 1,
  time_flow_start: { seconds: 1_721_480_000, nanos: 123_000_000 },
  time_flow_end: { seconds: 1_721_480_005 },
  data_link: { src_mac: 0x0a580a800213, dst_mac: 0xfeffffffff01 },
  network: { src_addr: v6('01'), dst_addr: v6('02'), dscp: 46 },
  transport: { src_port: 443, dst_port: 51_234, protocol: 6 },
  bytes: 9_007_199_254_740_991,
  packets: 0xffff_ffff,
  packets_exact: 4_294_967_296,
  interface: 'eth0',
  duplicate: true,
  agent_ip: v4(10, 0, 0, 7),
  flags: 0x31a,
  icmp_type: 8,
  icmp_code: 3,
  pkt_drop_bytes: 65_535,
  pkt_drop_bytes_exact: 70_000,
  pkt_drop_packets: 65_535,
  pkt_drop_latest_flags: 16,
  // The readers' number of TCP_CLOSE, which is the kernel's TCP_TIME_WAIT.
  pkt_drop_latest_state: 6,
  pkt_drop_latest_state_exact: 'TCP_CLOSE',
  pkt_drop_latest_drop_cause: 0xffff,
  pkt_drop_latest_drop_cause_exact: 'SKB_DROP_REASON_NOT_YET_INVENTED',
  pkt_drop_location: 'tcp_v4_rcv',
  dns_id: 65_535,
  // The readers' UnDefined: the header's 7 would be YXRRSet.
  dns_flags: 0x818f,
  dns_flags_exact: 0x8187,
  dns_response_code: 'BADCOOKIE',
  dns_latency: { seconds: 1, nanos: 234_567_891 },
  time_flow_rtt: { seconds: 2, nanos: 500 },
  dns_errno: 22,
  dup_list: [
    { interface: 'eth0', udn: 'default' },
    { interface: 'br-ex', direction: 3, udn: 'blue' },
  ],
  network_events_metadata: [
    { events: { Feature: 'acl', Action: 'drop' } },
    { events: { Message: 'hello' } },
  ],
  xlat: {
    src_addr: v6('03'),
    dst_addr: v6('04'),
    src_port: 1000,
    dst_port: 8080,
    zone_id: 9,
  },
  sampling: 50,
  ipsec_encrypted: 1,
  ipsec_encrypted_ret: -22,
  dns_name: 'www.exämple.com',
  ssl_version: 0x0304,
  ssl_mismatch: true,
  tls_types: 33,
  tls_cipher_suite: 0x1301,
  tls_key_share: 4588,
  quic: { version: 0x6b33_43cf, seen_long_hdr: 1, seen_short_hdr: 1 },
  vlan_id: 100,
  flow_end_reason: 2,
  initiator: 1,
  time_flow_rtt_min_ns: 300_000,
  tcp_retransmissions: 1,
  tcp_resets: 2,
  tcp_failed_connects: 3,
  tcp_zero_windows: 4,
  tcp_handshake_ns: 5_000_000_000,
  process_id: 4_194_304,
  process_name: 'nginx',
  cgroup: '/kubepods/pod1',
  container_id: 'abcdef',
  container_name: 'web',
  workload: 'nginx.service',
  dns_query_type: 'AAAA',
  dns_queries: 7,
  dns_lost_queries: 6,
  dns_repeated_queries: 5,
  dns_answers: ['192.0.2.1', '2001:db8::1'],
  src_dns_name: 'a.example',
  dst_dns_name: 'b.example',
  tls_server_name: 'www.example.com',
  tls_alpn: ['h2', 'http/1.1'],
  openssl_bytes: 12_345,
  tunnel_type: 'vxlan',
  tunnel_id: 16_777_215,
  tunnel_src_addr: v4(198, 51, 100, 1),
  tunnel_dst_addr: v6('09'),
};

test('a record with every field is what protobufjs makes of it, byte for byte', () => {
  // The message has a field for each column except derived ones.
  const derived = ['TimeReceived'];
  const columns = LAYOUT.columns.map(({ name }) => name).filter((name) => !derived.includes(name));
  expect(Object.keys(FULL).toSorted()).toEqual(columns.toSorted());
  const wanted = PbRecord.encode(PbRecord.fromObject(FULL_MESSAGE)).finish();

  expect(Buffer.from(encodeOne(FULL)).toString('hex')).toBe(Buffer.from(wanted).toString('hex'));
});

test('readers that are not asked whether a message is there find it', () => {
  expect(read(encodeOne({}))).toEqual({ network: {}, transport: {}, time_flow_rtt: {} });
  // The same for a layout without their fields.
  expect(read(encodeOne({ Bytes: 1 }, layoutFor(['Bytes'])))).toEqual({
    bytes: 1,
    network: {},
    transport: {},
    time_flow_rtt: {},
  });
});

test.each([
  // why, row, fields of the record
  ['IPv4 is a number', { SrcAddr: '1.2.3.4' }, { network: { src_addr: { ipv4: 0x01020304 } } }],
  [
    'IPv6 has 16 bytes',
    { SrcAddr: '::1' },
    { network: { src_addr: { ipv6: 'AAAAAAAAAAAAAAAAAAAAAQ==' } } },
  ],
  [
    'of an IPv6 packet, what stands for IPv4 has 16 bytes',
    { Etype: 0x86dd, SrcAddr: '1.2.3.4', XlatDstAddr: '5.6.7.8', AgentIP: '10.0.0.7' },
    {
      eth_protocol: 0x86dd,
      network: { src_addr: { ipv6: 'AAAAAAAAAAAAAP//AQIDBA==' } },
      xlat: { dst_addr: { ipv6: 'AAAAAAAAAAAAAP//BQYHCA==' } },
      agent_ip: { ipv4: 0x0a000007 },
    },
  ],
  [
    'of an IPv4 packet',
    { Etype: 0x0800, SrcAddr: '1.2.3.4' },
    { eth_protocol: 0x0800, network: { src_addr: { ipv4: 0x01020304 } } },
  ],
  [
    'a DNS code of four bits',
    { DnsFlags: 0x8183, DnsFlagsResponseCode: 'NXDomain' },
    { dns_flags: 0x8183 },
  ],
  [
    'a DNS code without a name',
    { DnsFlags: 0x8180, DnsFlagsResponseCode: 'UnDefined' },
    { dns_flags: 0x818f, dns_flags_exact: 0x8180, dns_response_code: 'UnDefined' },
  ],
  [
    'a DNS code that is not known',
    { DnsFlags: 0x8180 },
    { dns_flags: 0x818f, dns_flags_exact: 0x8180 },
  ],
  ['the unspecified address', { SrcAddr: '0.0.0.0' }, { network: { src_addr: { ipv4: 0 } } }],
  ['saturates', { PktDropBytes: 65_536 }, { pkt_drop_bytes: 65_535, pkt_drop_bytes_exact: 65_536 }],
  ['fits', { PktDropPackets: 65_535 }, { pkt_drop_packets: 65_535 }],
  [
    'a known cause',
    { PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET' },
    { pkt_drop_latest_drop_cause: 3 },
  ],
  [
    'of Open vSwitch',
    { PktDropLatestDropCause: 'OVS_DROP_METER' },
    { pkt_drop_latest_drop_cause: 0x30005 },
  ],
  [
    'of OVN',
    { PktDropLatestDropCause: 'NetworkEvent_NetworkPolicy' },
    { pkt_drop_latest_drop_cause: 0x1000004 },
  ],
  ['a state of one number', { PktDropLatestState: 'TCP_SYN_SENT' }, { pkt_drop_latest_state: 2 }],
  ['IPsec failed', { IPSecStatus: 'error', IPSecRetCode: -1 }, { ipsec_encrypted_ret: -1 }],
  ['IPsec worked', { IPSecStatus: 'success', IPSecRetCode: 0 }, { ipsec_encrypted: 1 }],
  ['an unknown cipher', { TLSCipherSuite: '0xC0FF' }, { tls_cipher_suite: 0xc0ff }],
  ['one TLS version', { TLSVersion: 'TLS 1.2' }, { ssl_version: 0x303 }],
  [
    'lists of unequal lengths',
    { Interfaces: ['a', 'b'], IfDirections: [1] },
    { dup_list: [{ interface: 'a', direction: 1 }, { interface: 'b' }] },
  ],
  ['a fraction of a nanosecond', { DnsLatencyMs: 999.9999999 }, { dns_latency: { seconds: 1 } }],
])('%s', (_why, row, wanted) => {
  const always = { network: {}, transport: {}, time_flow_rtt: {} };
  const message = PbRecord.decode(encodeOne(row));
  const found = PbRecord.toObject(message, { longs: Number, bytes: String });

  expect(found).toEqual({ ...always, ...wanted });
});

test('records of a batch are entries of a message wherever it is cut', () => {
  const rows = Array.from({ length: 1000 }, (_, index) => ({
    SrcAddr: `10.0.${index >> 8}.${index & 255}`,
    Bytes: 2 ** (index % 53),
    DnsName: 'x'.repeat(index % 300),
  }));
  const encoder = new RecordEncoder('entries');
  expect(encoder.encode(batch(rows))).toBe(1000);
  const { bytes, offsets } = encoder;
  for (const [from, to] of [
    [0, 1000],
    [0, 1],
    [127, 129],
    [500, 1000],
  ] as const) {
    const message = PbRecords.decode(bytes.subarray(offsets[from], offsets[to]));
    const { entries } = PbRecords.toObject(message, { longs: Number });
    expect(entries).toHaveLength(to - from);
    expect(entries[0].bytes).toBe(rows[from]!.Bytes);
    expect(entries.at(-1).dns_name ?? '').toBe(rows[to - 1]!.DnsName);
  }
});

test('only the selected rows are encoded', () => {
  const made = batch(Array.from({ length: 300 }, (_, index) => ({ Bytes: index + 1 })));
  made.selection = Uint32Array.from([2, 150, 299]);
  const encoder = new RecordEncoder('bare');
  const count = encoder.encode(made);
  const { bytes, offsets } = encoder;
  const found = Array.from({ length: count }, (_, index) =>
    Number(read(bytes.subarray(offsets[index], offsets[index + 1])).bytes),
  );

  expect(found).toEqual([3, 151, 300]);
});

test('a new generation of intern tables is noticed', () => {
  const encoder = new RecordEncoder('bare');
  for (const name of ['first', 'second']) {
    encoder.encode(batch([{ DnsName: name }]));
    const record = read(encoder.bytes.subarray(encoder.offsets[0], encoder.offsets[1]));
    expect(record.dns_name).toBe(name);
  }
});

test('a text is cut between characters', () => {
  const record = read(encodeOne({ Cgroup: `${'a'.repeat(4095)}é` }));

  expect(record.cgroup).toBe('a'.repeat(4095));
});
