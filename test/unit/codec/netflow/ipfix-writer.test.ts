import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IANA_TYPES } from '../../../../src/codec/netflow/ipfix-elements.ts';
import { stampMessage } from '../../../../src/codec/netflow/ipfix-message.ts';
import { isReadForIpfix } from '../../../../src/codec/netflow/ipfix-template.ts';
import { type IpfixOptions, IpfixWriter } from '../../../../src/codec/netflow/ipfix-writer.ts';
import { agentColumns } from '../../../../src/flow/agent-columns.ts';
import { BatchLayout } from '../../../../src/flow/batch.ts';
import { TcpFlag } from '../../../../src/flow/enums.ts';
import { FIELDS, fieldByName } from '../../../../src/flow/fields.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import type { Row } from '../../../../src/flow/row.ts';
import { anyRow } from '../../../support/codec/any-row.ts';
import { OneSetReader } from '../../../support/codec/ipfix-one-set.ts';
import { IpfixReader, type ReadRecord } from '../../../support/codec/ipfix-reader.ts';
import { batchOf } from '../../../support/flows/batch-of.ts';
import { layoutFor } from '../../../support/flows/layout-for.ts';

const OPTIONS: IpfixOptions = {
  domain: 1,
  messageMaxBytes: 1232,
  enterprise: 0,
  agentIsV6: false,
  shortFlags: false,
  samplingOption: 0,
};
const ENTERPRISE = 32_473;

const EVERYTHING = new BatchLayout(agentColumns());

/** Every record that the writer makes of the rows, IPv4 first, each kind in the rows' order. */
function roundTrip(
  rows: readonly Row[],
  options: Partial<IpfixOptions> = {},
  layout = EVERYTHING,
): readonly ReadRecord[] {
  const writer = new IpfixWriter(layout, { ...OPTIONS, ...options });
  const reader = readerOf(writer);
  const batch = batchOf(layout, new TableSpace().current, rows);
  const records = writer.encode(batch).flatMap(({ bytes }) => reader.read(bytes).records);
  const isV6 = (record: ReadRecord): boolean => record.has('27');
  return [...records.filter((record) => !isV6(record)), ...records.filter(isV6).reverse()];
}

/** A reader that has read the messages before the records. */
function readerOf(writer: IpfixWriter): IpfixReader {
  const reader = new IpfixReader();
  for (const { bytes } of writer.preamble()) reader.read(bytes);
  return reader;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const joined = (...parts: readonly string[]): string => parts.join('').replaceAll(' ', '');

describe('golden bytes', () => {
  const layout = layoutFor(['SrcAddr', 'DstAddr', 'Bytes', 'TimeFlowEndMs', 'Interfaces']);

  test('templates', () => {
    const messages = new IpfixWriter(layout, OPTIONS).preamble();
    const { bytes } = messages[0]!;
    stampMessage(bytes, 0x01020304, 0xfffffffe);
    expect(messages.map((message) => hex(message.bytes))).toEqual([
      joined(
        '000a 0030 01020304 fffffffe 00000001', // version, length, time, sequence, domain
        '0002 0020', // template set
        '0100 0006', // template 256: 6 fields
        '0008 0004  000c 0004  0001 0008  0097 0004  0099 0008  0052 ffff',
      ),
      joined(
        '000a 0030 00000000 00000000 00000001',
        '0002 0020',
        '0101 0006', // template 257
        '001b 0010  001c 0010  0001 0008  0097 0004  0099 0008  0052 ffff',
      ),
    ]);
  });

  test('the rate of sampling, as options data', () => {
    const options = { ...OPTIONS, samplingOption: 50 };
    const [, , template, record] = new IpfixWriter(layout, options).preamble();
    expect(hex(template!.bytes)).toBe(
      joined(
        '000a 0026 00000000 00000000 00000001',
        '0003 0016', // options template set
        '0102 0003 0001', // template 258: 3 fields, of which 1 is the scope
        '0095 0004  0022 0004  0023 0001',
      ),
    );
    expect(hex(record!.bytes)).toBe(
      joined('000a 001d 00000000 00000000 00000001', '0102 000d', '00000001 00000032 02'),
    );
    expect([template!.records, record!.records]).toEqual([0, 1]);
  });

  test('a flow of each family in a message of its own', () => {
    const rows: readonly Row[] = [
      {
        SrcAddr: '2001:db8::1',
        DstAddr: '2001:db8::2',
        Bytes: 0x1_0000_0002,
        TimeFlowEndMs: 1_700_000_000_123,
        Interfaces: ['lo'],
      },
      { SrcAddr: '192.0.2.1', DstAddr: '192.0.2.2', Bytes: 7, TimeFlowEndMs: 999 },
    ];
    const batch = batchOf(layout, new TableSpace().current, rows);
    const messages = new IpfixWriter(layout, OPTIONS).encode(batch);
    expect(messages.map(({ bytes }) => hex(bytes))).toEqual([
      joined(
        '000a 0031 00000000 00000000 00000001',
        '0100 0021', // set of template 256
        'c0000201 c0000202 0000000000000007 00000000 00000000000003e7 00',
      ),
      joined(
        '000a 004b 00000000 00000000 00000001',
        '0101 003b', // set of template 257
        '20010db8000000000000000000000001 20010db8000000000000000000000002',
        '0000000100000002 6553f100 0000018bcfe5687b 02 6c6f',
      ),
    ]);
    expect(messages).toMatchObject([
      { records: 1, octets: 7, packets: 0 },
      { records: 1, octets: 0x1_0000_0002, packets: 0 },
    ]);
  });
});

test('the elements of the original come first, in its order', () => {
  const writer = new IpfixWriter(EVERYTHING, OPTIONS);
  const reader = readerOf(writer);
  const ids = (template: number): readonly number[] =>
    reader.templates.get(template)!.map(({ id }) => id);
  const shared = [1, 6, 150, 152, 151, 153, 2, 82];
  expect(ids(256).slice(0, 19)).toEqual([256, 61, 56, 80, 8, 12, 4, 7, 11, 176, 177, ...shared]);
  expect(ids(257).slice(0, 19)).toEqual([256, 61, 56, 80, 27, 28, 193, 7, 11, 178, 179, ...shared]);
  expect(new Set(ids(256)).size).toBe(ids(256).length);
  expect(new Set(ids(257)).size).toBe(ids(257).length);
});

test('every element of an agent’s field has a type, and is in the templates', () => {
  const reader = readerOf(new IpfixWriter(EVERYTHING, { ...OPTIONS, agentIsV6: true }));
  const sent = [...reader.templates.values()].flat().map(({ id }) => id);
  const v4 = reader.templates.get(256)!.map(({ id }) => id);
  for (const { name, producer, ipfix } of FIELDS) {
    if (producer !== 'agent' || ipfix === undefined) continue;
    expect(IANA_TYPES.has(ipfix.id), name).toBe(true);
    if (ipfix.v6 !== undefined) expect(sent, name).toContain(ipfix.v6.id);
    if (name !== 'AgentIP') expect(v4, name).toContain(ipfix.id);
  }
});

test('the columns that a writer reads are those that change its bytes', () => {
  const agentFields = FIELDS.filter(({ producer }) => producer === 'agent');
  for (const enterprise of [0, ENTERPRISE]) {
    const read = agentFields.filter((field) => isReadForIpfix(field, enterprise));
    const layout = layoutFor(read.map(({ name }) => name));
    fc.assert(
      fc.property(fc.array(anyRow(agentFields), { maxLength: 5 }), (rows) => {
        const all = roundTrip(rows, { enterprise }, EVERYTHING);
        expect(roundTrip(rows.map(only(layout)), { enterprise }, layout)).toEqual(all);
      }),
      { numRuns: 50 },
    );
  }
  expect(isReadForIpfix(fieldByName('TunnelType')!, 0)).toBe(true);
  expect(isReadForIpfix(fieldByName('DnsName')!, ENTERPRISE)).toBe(false);
});

function only(layout: BatchLayout): (row: Row) => Row {
  return (row) => Object.fromEntries(Object.entries(row).filter(([name]) => layout.has(name)));
}

test('enterprise elements only under a configured number', () => {
  const rows: readonly Row[] = [
    {
      SrcAddr: '10.0.0.1',
      TimeFlowRttNs: 5e9,
      Interfaces: ['eth0', 'veth1'],
      IfDirections: [0, 12],
    },
  ];
  const own = (record: ReadRecord): readonly (readonly [string, string | number])[] =>
    [...record].filter(([key]) => key.includes('/'));
  expect(own(roundTrip(rows)[0]!)).toEqual([]);
  expect(own(roundTrip(rows, { enterprise: ENTERPRISE })[0]!)).toEqual([
    [`${ENTERPRISE}/7741`, 'eth0,veth1'],
    [`${ENTERPRISE}/7742`, '0,12'],
    [`${ENTERPRISE}/7740`, 5e9],
  ]);
});

test.each([
  ['with the long form of the length', 40, 40],
  ['cut after as many whole items as fit 1024 bytes', 200, 102],
])('a long list is sent %s', (_what, count, sent) => {
  const names = Array.from(
    { length: count },
    (_, index) => `veth${String(index).padStart(5, '0')}`,
  );
  const [record] = roundTrip([{ SrcAddr: '10.0.0.1', Interfaces: names }], {
    enterprise: ENTERPRISE,
  });
  expect(record!.get(`${ENTERPRISE}/7741`)).toBe(names.slice(0, sent).join(','));
});

test.each([
  ['bits of the header stay', TcpFlag.SYN | TcpFlag.ACK | TcpFlag.CWR, 0x92],
  ['SYN and ACK in one packet', TcpFlag.SYN_ACK, 0x12],
  ['FIN and ACK in one packet', TcpFlag.FIN_ACK, 0x11],
  ['RST and ACK in one packet', TcpFlag.RST_ACK | TcpFlag.PSH, 0x1c],
])('tcpControlBits: %s', (_why, flags, wanted) => {
  expect(roundTrip([{ SrcAddr: '10.0.0.1', Flags: flags }])[0]!.get('6')).toBe(wanted);
});

test.each<readonly [string, Row, string, string | number]>([
  ['in', { IfDirections: [0, 1] }, '61', 0],
  ['out', { IfDirections: [1, 0] }, '61', 1],
  ['both ways, first out', { IfDirections: [3], FlowDirection: 1 }, '61', 1],
  ['all packets', { Sampling: 0 }, '311', 1],
  ['one packet in 50', { Sampling: 50 }, '311', 0.02],
  ['one packet in 50, as an interval', { Sampling: 50 }, '34', 50],
  ['all packets, as an interval', { Sampling: 0 }, '34', 1],
  ['the octet of the code point', { Dscp: 46 }, '5', 184],
  ['ICMP in one number', { Proto: 1, IcmpType: 3, IcmpCode: 13 }, '32', 0x030d],
  ['no ICMP', { Proto: 6 }, '32', 0],
  ['VXLAN', { TunnelType: 'vxlan', TunnelId: 42 }, '351', 2 ** 56 + 42],
  ['Geneve, which has no number', { TunnelType: 'geneve', TunnelId: 42 }, '351', 42],
  ['an interface with a long name', { Interfaces: ['é'.repeat(200)] }, '82', 'é'.repeat(127)],
  ['an address of the other family', { XlatSrcAddr: '2001:db8::1' }, '225', '0.0.0.0'],
])('%s', (_why, row, element, wanted) => {
  expect(roundTrip([{ SrcAddr: '10.0.0.1', ...row }])[0]!.get(element)).toBe(wanted);
});

test('ICMPv6 in one number', () => {
  const row = { SrcAddr: 'fd00::1', Proto: 58, IcmpType: 128, IcmpCode: 0 };
  expect(roundTrip([row])[0]!.get('139')).toBe(0x8000);
});

test('an IPv6 packet is one of IPv6 whatever its addresses look like', () => {
  const mapped = {
    ...{ SrcAddr: '::ffff:192.0.2.1', DstAddr: '::ffff:192.0.2.2', XlatSrcAddr: '192.0.2.3' },
    Packets: 1,
  };
  const layout = layoutFor(['Etype', 'SrcAddr', 'DstAddr', 'XlatSrcAddr', 'Packets']);
  const writer = new IpfixWriter(layout, OPTIONS);
  const rows = [
    { ...mapped, Etype: 0x86dd },
    { ...mapped, Etype: 0x0800 },
  ];
  const messages = writer.encode(batchOf(layout, new TableSpace().current, rows));
  expect(messages.map(({ bytes }) => hex(bytes.subarray(16)))).toEqual([
    joined('0100 001a 0800 c0000201 c0000202 0000000000000001 c0000203'),
    joined(
      ...['0101 003e 86dd', '00000000000000000000ffffc0000201 00000000000000000000ffffc0000202'],
      '0000000000000001 00000000000000000000ffffc0000203',
    ),
  ]);
});

test('interfaces by their numbers', () => {
  const layout = layoutFor(['SrcAddr', 'InIf', 'OutIf']);
  const [record] = roundTrip([{ SrcAddr: '10.0.0.1', InIf: 70_000 }], {}, layout);
  expect([record!.get('10'), record!.get('14')]).toEqual([70_000, 0]);
});

test('short TCP flags take an octet', () => {
  const rows = [{ SrcAddr: '10.0.0.1', Flags: TcpFlag.SYN_ACK, Bytes: 7 }];
  const [record] = roundTrip(rows, { shortFlags: true });
  expect([record!.get('6'), record!.get('1')]).toEqual([0x12, 7]);
});

test('a flow without packets says nothing here: it is left out', () => {
  const rows = [
    { SrcAddr: '10.0.0.1', Packets: 0, Bytes: 0 },
    { SrcAddr: 'fd00::1', Packets: 0, Bytes: 0 },
    { SrcAddr: '10.0.0.2', Packets: 1, Bytes: 60 },
    { SrcAddr: 'fd00::2', Packets: 2, Bytes: 120 },
  ];
  const records = roundTrip(rows);
  expect(records.map((record) => record.get('1'))).toEqual([60, 120]);
  const batch = batchOf(EVERYTHING, new TableSpace().current, rows.slice(0, 2));
  expect(new IpfixWriter(EVERYTHING, OPTIONS).encode(batch)).toEqual([]);
});

test('readers of one set and one template at a time read every flow', () => {
  const rows = Array.from({ length: 200 }, (_, index) => ({
    SrcAddr: index % 3 === 0 ? `2001:db8::${index}` : `10.0.0.${index}`,
    Interfaces: [`veth${index}`],
    Flags: TcpFlag.ACK,
    Bytes: 1000 + index,
    Packets: 1,
  }));
  const writer = new IpfixWriter(EVERYTHING, { ...OPTIONS, messageMaxBytes: 1024 });
  const reader = new OneSetReader();
  for (const { bytes } of writer.preamble()) expect(reader.read(bytes)).toEqual([]);
  const batch = batchOf(EVERYTHING, new TableSpace().current, rows);
  const records = writer.encode(batch).flatMap(({ bytes }) => reader.read(bytes));
  const sizes = records.map((record) => Number(record.get('1')));
  expect(sizes.toSorted((a, b) => a - b)).toEqual(rows.map(({ Bytes }) => Bytes));
});

test('a message is full when the next record would not fit', () => {
  const layout = layoutFor(['SrcAddr', 'Bytes', 'Packets']);
  const rows = Array.from({ length: 100 }, (_, index) => ({
    SrcAddr: index % 3 === 0 ? `2001:db8::${index}` : `10.0.0.${index}`,
    Bytes: 100 + index,
    Packets: 1,
  }));
  // 16 + 4 + 4 × 20, and nothing for a fifth.
  const messageMaxBytes = 119;
  const writer = new IpfixWriter(layout, { ...OPTIONS, messageMaxBytes });
  const batch = batchOf(layout, new TableSpace().current, rows);
  const messages = writer.encode(batch);
  expect(Math.max(...messages.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(119);
  expect(messages[0]).toMatchObject({ records: 4, packets: 4 });
  expect(messages.reduce((sum, { records }) => sum + records, 0)).toBe(100);
  expect(messages.reduce((sum, { octets }) => sum + octets, 0)).toBe(100 * 100 + 4950);
  expect(roundTrip(rows, { messageMaxBytes }, layout)).toHaveLength(100);
});

test('only selected flows are sent', () => {
  const layout = layoutFor(['SrcAddr', 'Bytes']);
  const rows = [1, 2, 3].map((bytes) => ({ SrcAddr: '10.0.0.1', Bytes: bytes }));
  const batch = batchOf(layout, new TableSpace().current, rows);
  batch.selection = Uint32Array.of(0, 2);
  const [message] = new IpfixWriter(layout, OPTIONS).encode(batch);
  expect(message).toMatchObject({ records: 2, octets: 4 });
  expect(new IpfixWriter(layout, OPTIONS).encode(batchOf(layout, batch.tables, []))).toEqual([]);
});

test('any flows: each element is what its field says', () => {
  const agentFields = FIELDS.filter(({ producer }) => producer === 'agent');
  const row = anyRow(agentFields).map((values) => {
    const whole = Object.entries(values).map(([name, value]) => {
      const isDouble = EVERYTHING.kindOf(name) === 'f64' && typeof value === 'number';
      return [name, isDouble ? Math.min(Math.abs(Math.floor(value)), 2 ** 53 - 1) : value];
    });
    return Object.fromEntries(whole) as Row;
  });
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 12 }),
      fc.integer({ min: 64, max: 1500 }),
      fc.boolean(),
      (rows, messageMaxBytes, agentIsV6) => {
        const options = { messageMaxBytes, agentIsV6, enterprise: ENTERPRISE };
        const isV6 = ({ SrcAddr, Etype }: Row): boolean =>
          String(SrcAddr ?? '').includes(':') || Etype === 0x86dd;
        const sent = rows.filter(({ Packets }) => Packets !== 0);
        const inOrder = [...sent.filter((values) => !isV6(values)), ...sent.filter(isV6)];
        const wanted = inOrder.map((values) => expected(values, isV6(values), agentIsV6));
        const records = roundTrip(rows, options);
        expect(records).toHaveLength(sent.length);
        expect(records.map((record) => Object.fromEntries(record))).toMatchObject(wanted);
      },
    ),
    { numRuns: 200 },
  );
});

/** The fields that a collector should see, derived from the external row. */
function expected(row: Row, isV6: boolean, agentIsV6: boolean): Record<string, string | number> {
  const number = (name: string): number => Number(row[name] ?? 0);
  const address = (name: string, v6: boolean): string => {
    const text = String(row[name] ?? '');
    if (v6) return text === '' ? '::' : text;
    return text === '' || text.includes(':') ? '0.0.0.0' : text;
  };
  const interfaces = (row.Interfaces ?? []) as readonly string[];
  const [first = ''] = interfaces;
  return {
    256: number('Etype'),
    56: String(row.SrcMac ?? '00:00:00:00:00:00'),
    80: String(row.DstMac ?? '00:00:00:00:00:00'),
    [isV6 ? 27 : 8]: address('SrcAddr', isV6),
    [isV6 ? 28 : 12]: address('DstAddr', isV6),
    [isV6 ? 193 : 4]: number('Proto'),
    4: number('Proto'),
    7: number('SrcPort'),
    11: number('DstPort'),
    [isV6 ? 178 : 176]: number('IcmpType'),
    1: number('Bytes'),
    2: number('Packets'),
    150: Math.floor(number('TimeFlowStartMs') / 1000) % 2 ** 32,
    153: number('TimeFlowEndMs'),
    82: first,
    195: number('Dscp'),
    243: number('VlanId'),
    136: number('FlowEndReason'),
    239: number('Initiator'),
    133: number('PktDropPackets'),
    279: number('ProcessId'),
    [agentIsV6 ? 131 : 130]: address('AgentIP', agentIsV6),
    [isV6 ? 282 : 226]: address('XlatDstAddr', isV6),
    227: number('XlatSrcPort'),
    [`${ENTERPRISE}/7741`]: interfaces.join(','),
    [`${ENTERPRISE}/7742`]: ((row.IfDirections ?? []) as readonly number[]).join(','),
    [`${ENTERPRISE}/7740`]: number('TimeFlowRttNs'),
  };
}
