import { describe, expect, test } from 'vitest';
import type { ReadElement } from '../../../../src/codec/netflow/elements-read.ts';
import {
  type Field,
  ipfix,
  octets,
  optionsTemplate,
  set,
  template,
  testReader,
  v4,
  v5,
} from '../../../support/codec/netflow-bytes.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex');

/** RFC 7011, appendix A: the template of A.2.1 and the data set of A.3, octet by octet. */
const RFC7011_TEMPLATE = hex(`
  0002 001c | 0100 0005 | 0008 0004 | 000c 0004 | 000f 0004 | 0002 0004 | 0001 0004`);
const RFC7011_DATA = hex(`
  0100 0040
  c000020c c00002fe c0000201 00001391 00518c81
  c000021b c0000217 c0000202 000002ec 0005ef46
  c0000238 c0000241 c0000203 00000005 00001986`);
const RFC7011_FLOWS = [
  {
    SrcAddr: '192.0.2.12',
    DstAddr: '192.0.2.254',
    NextHop: '192.0.2.1',
    Packets: 5009,
    Bytes: 5344385,
  },
  {
    SrcAddr: '192.0.2.27',
    DstAddr: '192.0.2.23',
    NextHop: '192.0.2.2',
    Packets: 748,
    Bytes: 388934,
  },
  { SrcAddr: '192.0.2.56', DstAddr: '192.0.2.65', NextHop: '192.0.2.3', Packets: 5, Bytes: 6534 },
];

test('IPFIX: the example of RFC 7011, appendix A', () => {
  const { rows, problem } = testReader().read(
    ipfix({ exportS: 1_700_000_000, sequence: 7, domain: 33 }, RFC7011_TEMPLATE, RFC7011_DATA),
  );
  expect(problem).toBeUndefined();
  expect(rows).toEqual(
    RFC7011_FLOWS.map((flow) => ({
      ...flow,
      ...{ Etype: 0x0800, Type: 'IPFIX', SequenceNum: 7, SamplerAddress: '192.0.2.1' },
      ...{ TimeReceived: 1_700_000_001, ObservationDomainId: 33 },
    })),
  );
});

test('NetFlow 9: header and times of RFC 3954, with padding behind the records', () => {
  // Uptime 0x000f4240 = 1,000 s at 0x6553f100 = 1,700,000,000 s; sequence 5; source id 0x2a.
  const bytes = hex(`
    0009 0003 000f4240 6553f100 00000005 0000002a
    0000 0020 | 0100 0006 | 0008 0004 000c 0004 0016 0004 0015 0004 0004 0001 0001 0004
    0100 0030
    c0000201 c6336402 000f3a70 000f3e58 06 00000400
    c0000203 c6336404 000f3a70 000f3e59 11 00000040
    0000`);
  const { rows, problem } = testReader().read(bytes);
  expect(problem).toBeUndefined();
  expect(rows).toMatchObject([
    {
      ...{ Type: 'NETFLOW_V9', SrcAddr: '192.0.2.1', DstAddr: '198.51.100.2', Bytes: 1024 },
      ...{ TimeFlowStartMs: 1_699_999_998_000, TimeFlowEndMs: 1_699_999_999_000 },
      ...{ TimeFlowStart: 1_699_999_998, TimeFlowEnd: 1_699_999_999 },
      ...{ Proto: 6, SequenceNum: 5, ObservationDomainId: 42 },
    },
    { SrcAddr: '192.0.2.3', Proto: 17, TimeFlowEndMs: 1_699_999_999_001, Bytes: 64 },
  ]);
  expect(rows).toHaveLength(2);
});

/** A record of NetFlow 5, octet by octet. */
const V5_RECORD = hex(`
  c0000201 c6336402 c00002fe 0003 0007 0000000a 00001388 000f3a70 000f3e58
  9c40 01bb 00 1b 06 b8 fde8 fde9 18 10 0000`);

test('NetFlow 5: every field of a record, and the sampling rate of the header', () => {
  const header = { sequence: 100, nanoseconds: 250_000_000, engine: 0x0102, sampling: 0x4064 };
  const { rows, problem } = testReader().read(v5(header, V5_RECORD));
  expect(problem).toBeUndefined();
  expect(rows).toEqual([
    {
      ...{ Type: 'NETFLOW_V5', SequenceNum: 100, SamplerAddress: '192.0.2.1', SamplingRate: 100 },
      ...{ SrcAddr: '192.0.2.1', DstAddr: '198.51.100.2', NextHop: '192.0.2.254' },
      ...{ InIf: 3, OutIf: 7, Packets: 10, Bytes: 5000, SrcPort: 40_000, DstPort: 443 },
      ...{ TcpFlags: 0x1b, Proto: 6, IpTos: 0xb8, SrcAs: 65_000, DstAs: 65_001 },
      ...{ SrcNet: 24, DstNet: 16, Etype: 0x0800, TimeReceived: 1_700_000_001 },
      ...{ TimeFlowStartMs: 1_699_999_998_250, TimeFlowEndMs: 1_699_999_999_250 },
      ...{ TimeFlowStart: 1_699_999_998, TimeFlowEnd: 1_699_999_999 },
    },
  ]);
});

test('NetFlow 5: a count larger than the datagram refuses it', () => {
  const { rows, problem } = testReader().read(v5({ count: 3 }, V5_RECORD, V5_RECORD));
  expect(rows).toEqual([]);
  expect(problem?.code).toBe('ERR_CODEC_NETFLOW_TRUNCATED');
});

test('uptimes that have begun again from 0 since the flow', () => {
  const record = Buffer.from(V5_RECORD);
  record.writeUInt32BE(0xffff_fc18, 24); // 1,000 ms before the wrap
  record.writeUInt32BE(500, 28);
  const [row] = testReader().read(v5({ uptimeMs: 2000 }, record)).rows;
  expect(row).toMatchObject({
    ...{ TimeFlowStartMs: 1_699_999_997_000, TimeFlowEndMs: 1_699_999_998_500 },
  });
});

describe('biflows', () => {
  const total: readonly ReadElement[] = [
    { enterprise: 0, id: 85, target: { column: 'Bytes', form: 'value' } },
    { enterprise: 0, id: 86, target: { column: 'Packets', form: 'value' } },
  ];
  const REVERSE = 29_305;
  // RFC 5103, appendix A: a flow of HTTP, with the counters of both directions.
  const fields: readonly Field[] = [
    ...([
      [150, 4],
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [4, 1],
    ] as const),
    ...([
      [85, 4],
      [85, 4, REVERSE],
      [86, 4],
      [86, 4, REVERSE],
    ] as const),
  ];
  const record = (reverseOctets: number, reversePackets: number): Buffer =>
    Buffer.concat([
      ...[octets([4, 1_138_813_200]), v4('192.0.2.2'), v4('192.0.2.3')],
      octets([2, 32_770], [2, 80], [1, 6]),
      octets([4, 18_000], [4, reverseOctets], [4, 65], [4, reversePackets]),
    ]);

  test('give a flow for each direction', () => {
    const { rows } = testReader(total).read(
      ipfix({}, set(2, template(256, fields)), set(256, record(128_000, 110))),
    );
    const both = { Proto: 6, Etype: 0x0800, TimeFlowStartMs: 1_138_813_200_000 };
    expect(rows).toMatchObject([
      {
        ...{ ...both, SrcAddr: '192.0.2.2', DstAddr: '192.0.2.3', SrcPort: 32_770, DstPort: 80 },
        ...{ Bytes: 18_000, Packets: 65 },
      },
      {
        ...{ ...both, SrcAddr: '192.0.2.3', DstAddr: '192.0.2.2', SrcPort: 80, DstPort: 32_770 },
        ...{ Bytes: 128_000, Packets: 110 },
      },
    ]);
    expect(rows).toHaveLength(2);
  });

  test('without packets in reverse give one flow', () => {
    const { rows } = testReader(total).read(
      ipfix({}, set(2, template(256, fields)), set(256, record(0, 0), record(1, 1), record(0, 0))),
    );
    expect(rows.map(({ Packets }) => Packets)).toEqual([65, 65, 65, 1]);
  });

  test('values of the forward direction alone are not those of the reverse one', () => {
    const { rows } = testReader().read(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [1, 4],
            [6, 1],
            [5, 1],
            [10, 4],
            [1, 4, REVERSE],
            [6, 1, REVERSE],
          ]),
        ),
        set(256, octets([4, 10], [1, 2], [1, 3], [4, 7], [4, 20], [1, 0x12])),
      ),
    );
    expect(rows).toMatchObject([{ Bytes: 10, TcpFlags: 2, IpTos: 3, InIf: 7 }, { Bytes: 20 }]);
    expect(rows[1]).toMatchObject({ TcpFlags: 0x12, OutIf: 7 });
    expect(rows[1]).not.toHaveProperty('IpTos');
    expect(rows[1]).not.toHaveProperty('InIf');
  });

  test('of variable length', () => {
    const { rows } = testReader().read(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [82, 65_535],
            [7, 2],
            [2, 2],
            [2, 2, REVERSE],
          ]),
        ),
        set(
          256,
          ...[Buffer.from('\x02ab'), octets([2, 1], [2, 10], [2, 0])],
          ...[Buffer.from('\x00'), octets([2, 2], [2, 20], [2, 21])],
        ),
      ),
    );
    expect(rows).toMatchObject([
      { SrcPort: 1, Packets: 10 },
      { SrcPort: 2, Packets: 20 },
      { DstPort: 2, Packets: 21 },
    ]);
    expect(rows).toHaveLength(3);
  });
});

describe('times', () => {
  const exportS = 1_700_000_000;
  test.each<readonly [string, Field, Buffer, number]>([
    ['seconds', [150, 4], octets([4, 1_600_000_000]), 1_600_000_000_000],
    ['milliseconds', [152, 8], octets([8, 1_600_000_000_123]), 1_600_000_000_123],
    // 2,208,988,800 s lie between 1900 and 1970 (RFC 868); half a second is 2^31.
    ['microseconds', [154, 8], octets([4, 3_808_988_800], [4, 0x8000_0000]), 1_600_000_000_500],
    ['nanoseconds', [156, 8], octets([4, 3_808_988_800], [4, 0x4000_0000]), 1_600_000_000_250],
    ['NTP after 2036', [156, 8], octets([4, 1], [4, 0]), (2 ** 32 + 1 - 2_208_988_800) * 1000],
    ['microseconds before the export', [158, 4], octets([4, 2_500_000]), exportS * 1000 - 2500],
  ])('%s', (_name, field, value, startMs) => {
    const { rows } = testReader().read(
      ipfix({ exportS }, set(2, template(256, [field])), set(256, value)),
    );
    expect(rows[0]).toMatchObject({
      ...{ TimeFlowStartMs: startMs, TimeFlowStart: Math.floor(startMs / 1000) },
    });
  });

  const uptimes = template(256, [
    [22, 4],
    [21, 4],
  ]);
  const record = octets([4, 5000], [4, 7000]);

  test('IPFIX: the uptime needs the start of the exporter, which options announce', () => {
    const reader = testReader();
    const [first] = reader.read(ipfix({}, set(2, uptimes), set(256, record))).rows;
    expect(first).not.toHaveProperty('TimeFlowStartMs');
    const options = optionsTemplate(257, 1, [
      [149, 4],
      [160, 8],
    ]);
    const started = octets([4, 1], [8, 1_699_999_000_000]);
    const [row] = reader.read(
      ipfix({ sequence: 1 }, set(3, options), set(257, started), set(256, record)),
    ).rows;
    expect(row).toMatchObject({
      ...{ TimeFlowStartMs: 1_699_999_005_000, TimeFlowEndMs: 1_699_999_007_000 },
    });
  });

  test('IPFIX: or the record has it', () => {
    const fields = template(256, [
      [160, 8],
      [22, 4],
    ]);
    const { rows } = testReader().read(
      ipfix({}, set(2, fields), set(256, octets([8, 1_699_999_000_000], [4, 5000]))),
    );
    expect(rows[0]).toMatchObject({ TimeFlowStartMs: 1_699_999_005_000 });
  });
});
