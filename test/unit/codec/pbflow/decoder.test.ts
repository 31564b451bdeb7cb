import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordEncoder } from '../../../../src/codec/pbflow/encoder.ts';
import { RecordDecoder } from '../../../../src/codec/pbflow/record-decoder.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BatchLayout, FlowBatch } from '../../../../src/flow/batch.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { type Row, rowsOf } from '../../../../src/flow/row.ts';
import { flowRows } from '../../../support/codec/pbflow-rows.ts';
import { PbRecord, PbRecords } from '../../../support/codec/pbflow-schema.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const LAYOUT = new BatchLayout([
  ...agentColumns().filter(({ name }) => name !== 'TimeReceived'),
  { name: 'Interface', kind: 'str' },
  { name: 'Duplicate', kind: 'u8' },
]);
const NOW_MS = 1_800_000_000_999;

function decode(bytes: Uint8Array, layout = LAYOUT): readonly Row[] {
  const batch = new FlowBatch(layout, new TableSpace().current, 16);
  new RecordDecoder(layout).decode(Uint8Array.from(bytes), batch, NOW_MS);
  return rowsOf(batch, { exact: true });
}

function encode(rows: readonly Row[]): Uint8Array<ArrayBuffer> {
  const encoder = new RecordEncoder('entries');
  const failures = new Map<string, number>();
  const count = encoder.encode(batchOf(LAYOUT, new TableSpace().current, rows, failures));
  expect([...failures]).toEqual([]);
  return Uint8Array.from(encoder.bytes.subarray(0, encoder.offsets[count]));
}

/** Decodes a message in batches of a few rows. */
function decodeAll(message: Uint8Array<ArrayBuffer>, capacity: number): readonly Row[] {
  const batch = new FlowBatch(LAYOUT, new TableSpace().current, capacity);
  const decoder = new RecordDecoder(LAYOUT);
  const rows: Row[] = [];
  decoder.open(message);
  for (let more = true; more; ) {
    batch.reset(batch.tables);
    more = decoder.next(batch, NOW_MS);
    rows.push(...rowsOf(batch, { exact: true }));
  }
  return rows;
}

/** The fields that every record has. */
const ALWAYS = { TimeFlowStartMs: 0, TimeFlowEndMs: 0, Etype: 0, FlowDirection: 0 };

function record(message: Record<string, unknown>): Uint8Array {
  return PbRecord.encode(PbRecord.fromObject({ network: {}, transport: {}, ...message })).finish();
}

test('what was encoded is decoded', () => {
  fc.assert(
    fc.property(fc.array(flowRows(), { minLength: 1, maxLength: 8 }), fc.nat(4), (rows, few) => {
      expect(decodeAll(encode(rows), few + 1)).toEqual(rows);
    }),
    { numRuns: 300 },
  );
});

test('what a real agent sends is decoded as its own collector does', () => {
  const [row] = decode(
    record({
      eth_protocol: 0x0800,
      direction: 1,
      time_flow_start: { seconds: 1_721_480_000, nanos: 123_456_789 },
      time_flow_end: { seconds: 1_721_480_001 },
      data_link: { src_mac: 0x0a580a800213, dst_mac: 0x0a580a800214 },
      network: { src_addr: { ipv4: 0x0a800004 }, dst_addr: { ipv4: 0x0a800005 } },
      transport: { src_port: 40_000, dst_port: 53, protocol: 17 },
      bytes: 120,
      packets: 1,
      agent_ip: { ipv6: new Uint8Array(0) },
      dns_id: 7,
      dns_flags: 0x8183,
      dns_latency: { nanos: 5_000_000 },
      time_flow_rtt: {},
      // The kernel's EEXIST in a byte, as current agents send it.
      dns_errno: 239,
      dup_list: [{ interface: 'eth0' }, { interface: 'genev', direction: 1 }],
      xlat: { src_addr: { ipv4: 0 }, dst_addr: { ipv4: 0 }, zone_id: 3 },
      pkt_drop_latest_state: 7,
      pkt_drop_latest_drop_cause: 3,
      pkt_drop_bytes: 60,
      pkt_drop_packets: 1,
    }),
  );

  expect(row).toEqual({
    Etype: 0x0800,
    FlowDirection: 1,
    // Whole milliseconds, as in `flowlogs-pipeline`.
    TimeFlowStartMs: 1_721_480_000_123,
    TimeFlowEndMs: 1_721_480_001_000,
    SrcMac: '0a:58:0a:80:02:13',
    DstMac: '0a:58:0a:80:02:14',
    SrcAddr: '10.128.0.4',
    DstAddr: '10.128.0.5',
    SrcPort: 40_000,
    DstPort: 53,
    Proto: 17,
    Dscp: 0,
    Bytes: 120,
    Packets: 1,
    DnsId: 7,
    DnsFlags: 0x8183,
    DnsFlagsResponseCode: 'NXDomain',
    DnsLatencyMs: 5,
    DnsErrno: 239,
    Interfaces: ['eth0', 'genev'],
    IfDirections: [0, 1],
    // The kernel's number, which `flowlogs-pipeline` takes for TCP_CLOSE_WAIT.
    PktDropLatestState: 'TCP_CLOSE',
    PktDropLatestDropCause: 'SKB_DROP_REASON_NO_SOCKET',
    PktDropLatestFlags: 0,
    PktDropBytes: 60,
    PktDropPackets: 1,
  });
});

test.each([
  // why, message, fields of the row besides the constant ones
  ['an empty record', {}, {}],
  ['neither bytes nor packets', { bytes: 0, packets: 0 }, {}],
  [
    'no IP: nothing of it',
    { eth_protocol: 0x0806, transport: { protocol: 6, src_port: 1 } },
    { Etype: 0x0806 },
  ],
  [
    'an unknown drop cause',
    { pkt_drop_latest_drop_cause: 9999, pkt_drop_packets: 1 },
    {
      PktDropLatestDropCause: 'SKB_DROP_UNKNOWN_CAUSE',
      PktDropPackets: 1,
      PktDropBytes: 0,
      PktDropLatestFlags: 0,
    },
  ],
  [
    'no drop cause: no drop',
    { pkt_drop_bytes: 5, pkt_drop_packets: 1, pkt_drop_latest_state: 1 },
    {},
  ],
  ['IPsec worked', { ipsec_encrypted: 1 }, { IPSecStatus: 'success', IPSecRetCode: 0 }],
  [
    'IPsec failed',
    { ipsec_encrypted: 1, ipsec_encrypted_ret: -5 },
    { IPSecStatus: 'error', IPSecRetCode: -5 },
  ],
  ['64 bits', { bytes: 2 ** 60 }, { Bytes: 2 ** 60 }],
])('%s', (_why, message, wanted) => {
  expect(decode(record(message))).toEqual([{ ...ALWAYS, ...wanted }]);
});

test('time of receipt is told to the decoder', () => {
  const layout = layoutFor(['TimeReceived']);
  expect(decode(record({}), layout)).toEqual([{ TimeReceived: 1_800_000_000 }]);
});

test('columns that are not wanted are passed over, and do not change the others', () => {
  const layout = layoutFor(['SrcPort', 'DnsFlagsResponseCode']);
  const bytes = record({
    eth_protocol: 0x86dd,
    transport: { src_port: 5, protocol: 6 },
    dns_id: 1,
    dns_name: 'x',
  });
  expect(decode(bytes, layout)).toEqual([{ SrcPort: 5, DnsFlagsResponseCode: 'NoError' }]);
});

test.each([
  // why, bytes
  ['an unknown varint', [0xf8, 0x3f, 0x96, 0x01]],
  ['an unknown text', [0xfa, 0x3f, 2, 0x61, 0x62]],
  ['an unknown fixed64', [0xf9, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8]],
  ['an unknown fixed32', [0xfd, 0x3f, 1, 2, 3, 4]],
  ['a known number of another type', [0x42, 1, 0x61]],
  ['a message that is a number', [0x30, 5]],
])('%s is passed over', (_why, bytes) => {
  const message = Uint8Array.from([...bytes, ...record({ dns_errno: 9 })]);
  expect(decode(message)).toEqual([{ ...ALWAYS, DnsErrno: 9 }]);
});

test.each([
  // why, bytes, code
  ['a varint cut off', [0x08, 0x80], 'ERR_CODEC_PROTOBUF_TRUNCATED'],
  ['a varint too long', [0x08, ...new Array(10).fill(0xff), 1], 'ERR_CODEC_PROTOBUF_SYNTAX'],
  ['a text cut off', [0x82, 0x02, 5, 0x61], 'ERR_CODEC_PROTOBUF_TRUNCATED'],
  ['a message longer than its record', [0x32, 9, 0x18, 1], 'ERR_CODEC_PROTOBUF_TRUNCATED'],
  ['field number 0', [0x00, 1], 'ERR_CODEC_PROTOBUF_SYNTAX'],
  ['a group', [0x0b], 'ERR_CODEC_PROTOBUF_SYNTAX'],
  ['an IPv6 address of 4 bytes', [0x62, 6, 0x12, 4, 1, 2, 3, 4], 'ERR_CODEC_PBFLOW_ADDRESS'],
  ['a text that is no UTF-8', [0x82, 0x02, 1, 0xff], 'ERR_CODEC_PROTOBUF_ENCODING'],
  [
    'a text too long',
    [0x82, 0x02, 0x81, 0x20, ...new Array(4097).fill(0x61)],
    'ERR_CODEC_PROTOBUF_TOO_LONG',
  ],
  ['a list too long', new Array(257).fill([0xd2, 0x01, 0]).flat(), 'ERR_CODEC_PROTOBUF_TOO_LONG'],
])('%s is refused', (_why, bytes, code) => {
  expect(() => decode(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code }));
});

test('a record that is refused leaves those before it, and the batch usable', () => {
  const good = record({ bytes: 5, dup_list: [{ interface: 'a' }] });
  const bad = [0x82, 0x02, 5, 0x61];
  const message = [good, Uint8Array.from(bad)].flatMap((one) => [0x0a, one.length, ...one]);
  const batch = new FlowBatch(LAYOUT, new TableSpace().current, 4);
  const decoder = new RecordDecoder(LAYOUT);
  decoder.open(Uint8Array.from(message));

  expect(() => decoder.next(batch, NOW_MS)).toThrow('longer than its message');
  decoder.decode(Uint8Array.from(good), batch, NOW_MS);
  expect(rowsOf(batch).map(({ Bytes, Interfaces }) => [Bytes, Interfaces])).toEqual([
    [5, ['a']],
    [5, ['a']],
  ]);
});

test('a message with other fields than entries is read', () => {
  const entries = PbRecords.encode(PbRecords.fromObject({ entries: [{ bytes: 1 }] })).finish();
  const message = Uint8Array.from([0x12, 1, 9, ...entries, 0x18, 1]);
  expect(decodeAll(message, 4).map((row) => row.Bytes)).toEqual([1]);
});
