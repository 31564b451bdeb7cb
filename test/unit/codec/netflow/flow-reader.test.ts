import { describe, expect, test } from 'vitest';
import type { ReadElement } from '../../../../src/codec/netflow/elements-read.ts';
import {
  type Field,
  ipfix,
  octets,
  optionsTemplate,
  optionsTemplate9,
  set,
  template,
  testReader,
  v4,
  v5,
  v9,
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

describe('elements', () => {
  const one = (fields: readonly Field[], ...values: readonly Uint8Array[]) =>
    testReader().read(ipfix({}, set(2, template(256, fields)), set(256, ...values)));

  test.each<readonly [string, Field, Buffer, object]>([
    ['a counter of three octets', [1, 3], octets([3, 70_000]), { Bytes: 70_000 }],
    ['a counter of eight octets', [1, 8], octets([8, 5e12]), { Bytes: 5e12 }],
    ['ICMP type and code', [32, 2], octets([2, 0x0803]), { IcmpType: 8, IcmpCode: 3 }],
    ['ICMPv6 type and code', [139, 2], octets([2, 0x8700]), { IcmpType: 135, IcmpCode: 0 }],
    // RFC 3032: 20 bits of label, then three of class and one for the bottom of the stack.
    [
      'an MPLS label',
      [70, 3],
      octets([3, (16_001 << 4) | 1]),
      { Mpls_1Label: 16_001, HasMpls: true },
    ],
    ['a direction', [61, 1], octets([1, 1]), { FlowDirection: 1 }],
    ['a VLAN', [58, 2], octets([2, 10]), { SrcVlan: 10, VlanId: 10 }],
    ['a version', [60, 1], octets([1, 6]), { Etype: 0x86dd }],
    ['a MAC', [56, 6], octets([6, 0x0200_5e10_0001]), { SrcMac: '02:00:5e:10:00:01' }],
    [
      'an address of IPv6',
      [27, 16],
      hex('20010db8000000000000000000000001'),
      {
        ...{ SrcAddr: '2001:db8::1', Etype: 0x86dd },
      },
    ],
    ['a BGP next hop', [18, 4], v4('192.0.2.9'), { BgpNextHop: '192.0.2.9' }],
    ['a translated port', [227, 2], octets([2, 1024]), { XlatSrcPort: 1024 }],
    ['an outgoing counter', [23, 4], octets([4, 9]), { Bytes: 9 }],
  ])('%s', (_name, field, value, row) => {
    expect(one([field], value).rows).toMatchObject([row]);
  });

  test('a value that its field cannot hold is absent, and counted', () => {
    const bed = testReader();
    const { rows } = bed.read(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [4, 2],
            [8, 6],
          ]),
        ),
        set(256, octets([2, 300], [6, 0])),
      ),
    );
    expect(rows[0]).not.toHaveProperty('Proto');
    const counted: [string, number][] = [];
    bed.reader.takeMisfits((...each) => counted.push(each));
    expect(new Map(counted)).toEqual(
      new Map([
        ['SrcAddr', 1],
        ['Proto', 1],
      ]),
    );
  });

  test('templates for both families: the address that is not zero', () => {
    const fields: readonly Field[] = [
      ...([
        [8, 4],
        [27, 16],
      ] as const),
    ];
    const six = hex('20010db8000000000000000000000001');
    const { rows } = one(fields, v4('0.0.0.0'), six, v4('192.0.2.7'), Buffer.alloc(16));
    expect(rows).toMatchObject([
      { SrcAddr: '2001:db8::1', Etype: 0x86dd },
      { SrcAddr: '192.0.2.7', Etype: 0x0800 },
    ]);
  });

  test('texts of variable length, short and long', () => {
    const own: readonly ReadElement[] = [
      { enterprise: 9, id: 12_232, target: { column: 'CustomBytes_1', form: 'base64' } },
      { enterprise: 0, id: 82, target: { column: 'Interface', form: 'value' } },
    ];
    const long = 'x'.repeat(256);
    const { rows, problem } = testReader(own).read(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [82, 65_535],
            [12_232, 65_535, 9],
            [2, 1],
          ]),
        ),
        set(
          256,
          Buffer.concat([Buffer.from('\x04eth0'), Buffer.from('\x02hi'), octets([1, 1])]),
          // RFC 7011, figure S: 255, then a length of two octets.
          Buffer.concat([octets([1, 255], [2, 256]), Buffer.from(long), octets([1, 0], [1, 2])]),
          Buffer.concat([
            octets([1, 255], [2, 257]),
            Buffer.from(`${long}y`),
            octets([1, 0], [1, 3]),
          ]),
        ),
      ),
    );
    expect(problem).toBeUndefined();
    expect(rows).toMatchObject([
      { Interface: 'eth0', CustomBytes_1: 'aGk=', Packets: 1 },
      { Interface: long, Packets: 2 },
      { Packets: 3 },
    ]);
    expect(rows[2]).not.toHaveProperty('Interface');
  });

  test('little-endian numbers', () => {
    const own: readonly ReadElement[] = [
      { enterprise: 9, id: 1, target: { column: 'CustomInteger_1', form: 'little-endian' } },
    ];
    const { rows } = testReader(own).read(
      ipfix({}, set(2, template(256, [[1, 4, 9]])), set(256, hex('01020304'))),
    );
    expect(rows[0]).toMatchObject({ CustomInteger_1: 0x0403_0201 });
  });
});

describe('sampling rates', () => {
  const flows = set(
    2,
    template(256, [
      [48, 2],
      [2, 4],
      [1, 4],
    ]),
  );
  const record = (sampler: number) => octets([2, sampler], [4, 3], [4, 300]);

  test('NetFlow 9: options give a rate for each sampler', () => {
    const reader = testReader();
    const options = optionsTemplate9(
      257,
      [[1, 4]],
      [
        [48, 2],
        [49, 1],
        [50, 4],
      ],
    );
    const v9Flows = set(
      0,
      template(256, [
        [48, 2],
        [2, 4],
        [1, 4],
      ]),
    );
    const before = reader.read(v9({ sequence: 0 }, v9Flows, set(256, record(1)))).rows;
    expect(before[0]).not.toHaveProperty('SamplingRate');
    const announced = [
      octets([4, 0], [2, 1], [1, 2], [4, 100]),
      octets([4, 0], [2, 2], [1, 2], [4, 1000]),
    ];
    reader.read(v9({ sequence: 1 }, set(1, options, Buffer.alloc(2)), set(257, ...announced)));
    const { rows } = reader.read(v9({ sequence: 2 }, set(256, record(1), record(2), record(3))));
    expect(rows.map(({ SamplingRate }) => SamplingRate)).toEqual([100, 1000, undefined]);
  });

  test.each<readonly [string, readonly Field[], Buffer, number]>([
    ['samplingInterval', [[34, 4]], octets([4, 64]), 64],
    ['samplingPacketInterval alone', [[305, 4]], octets([4, 128]), 128],
    [
      'samplingPacketInterval and -Space',
      [
        [305, 4],
        [306, 4],
      ],
      octets([4, 1], [4, 99]),
      100,
    ],
    [
      'samplingSize and -Population',
      [
        [309, 4],
        [310, 4],
      ],
      octets([4, 2], [4, 100]),
      50,
    ],
    // 0.0625 = 2^-4, as IEEE 754 of 32 and 64 bits.
    ['samplingProbability, short', [[311, 4]], hex('3d800000'), 16],
    ['samplingProbability', [[311, 8]], hex('3fb0000000000000'), 16],
  ])('IPFIX: %s, in options and in records', (_name, fields, value, rate) => {
    const reader = testReader([], { corrects: true });
    const options = optionsTemplate(257, 1, [[149, 4], ...fields]);
    reader.read(ipfix({}, flows, set(3, options), set(257, octets([4, 1]), value)));
    const [row] = reader.read(ipfix({ sequence: 1 }, set(256, record(9)))).rows;
    expect(row).toMatchObject({ SamplingRate: rate, Packets: 3 * rate, Bytes: 300 * rate });
    const own = testReader().read(
      ipfix({}, set(2, template(258, [[2, 4], ...fields])), set(258, octets([4, 3]), value)),
    );
    expect(own.rows[0]).toMatchObject({ SamplingRate: rate, Packets: 3 });
  });

  test('a domain has its own rate, and so has an exporter', () => {
    const reader = testReader();
    const options = optionsTemplate(257, 1, [
      [149, 4],
      [34, 4],
    ]);
    reader.read(ipfix({ domain: 1 }, flows, set(3, options), set(257, octets([4, 1], [4, 5]))));
    for (const [domain, address] of [
      [2, '192.0.2.1'],
      [1, '192.0.2.2'],
    ] as const) {
      const { rows } = reader.read(ipfix({ domain }, flows, set(256, record(1))), { address });
      expect(rows[0]).not.toHaveProperty('SamplingRate');
    }
  });
});
