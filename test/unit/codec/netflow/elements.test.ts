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
  v9,
} from '../../../support/codec/netflow-bytes.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex');

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
