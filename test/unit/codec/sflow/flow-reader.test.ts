import { describe, expect, test } from 'vitest';
import { AS_PATH_MAX, COMMUNITIES_MAX } from '../../../../src/codec/sflow/route.ts';
import {
  address,
  expandedSample,
  flowSample,
  opaque,
  part,
  rawHeader,
  type SampleHead,
  sflow,
  testSflow,
  words,
} from '../../../support/codec/sflow-bytes.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** A datagram octet by octet, in the order of sflow.org/sflow_version_5.txt. */
const DATAGRAM = hex(`
  00000005 00000001 c0000263 00000002 00000065 0000ea60 00000001
  00000001 000000a0
    00000007 00000003 00000100 00010000 00000000 00000003 00000007 00000003
    00000001 00000048
      00000001 00000040 00000004 00000036
      fedcba987654 020000000001 0800
      4510 0028 1234 4000 3f 06 0000 c0000201 c6336402
      9c40 01bb 00000001 00000002 5012 ffff 0000 0000
      0000
    000003e9 00000010 0000002a 00000000 0000002b 00000000
    000003ea 00000010 00000001 c00002fe 00000018 00000010`);

const WRITTEN = {
  ...{ Type: 'SFLOW_5', SamplerAddress: '192.0.2.99', SequenceNum: 101, ObservationDomainId: 2 },
  ...{ TimeReceived: 1_700_000_001, TimeFlowStart: 1_700_000_001, TimeFlowEnd: 1_700_000_001 },
  ...{ TimeFlowStartMs: 1_700_000_001_500, TimeFlowEndMs: 1_700_000_001_500 },
  ...{ SamplingRate: 256, InIf: 3, OutIf: 7, VlanId: 42, SrcVlan: 42, DstVlan: 43 },
  ...{ SrcMac: '02:00:00:00:00:01', DstMac: 'fe:dc:ba:98:76:54', Etype: 0x0800 },
  ...{ SrcAddr: '192.0.2.1', DstAddr: '198.51.100.2', Proto: 6, SrcPort: 40_000, DstPort: 443 },
  ...{ IpTos: 0x10, Dscp: 4, IpTtl: 63, TcpFlags: 0x12, Flags: 0x12 },
  ...{ NextHop: '192.0.2.254', SrcNet: 24, DstNet: 16 },
};

test('a datagram written by hand', () => {
  const { rows, problem, skips, flows } = testSflow().read(DATAGRAM);
  expect(problem).toBeUndefined();
  expect(flows).toBe(1);
  expect(rows).toEqual([{ ...WRITTEN, Bytes: 64, Packets: 1 }]);
  expect(skips).toEqual({ counters: 0, samples: 0, records: 0, headers: 0 });
});

test('corrected by the sampling rate', () => {
  const { rows } = testSflow(true).read(DATAGRAM);
  expect(rows).toEqual([{ ...WRITTEN, Bytes: 64 * 256, Packets: 256 }]);
});

test('a rate of 0 is unknown', () => {
  const { rows } = testSflow(true).read(
    sflow({}, flowSample({ rate: 0 }, rawHeader(words(0), 70))),
  );
  expect(rows).toMatchObject([{ Bytes: 70, Packets: 1 }]);
  expect(rows[0]).not.toHaveProperty('SamplingRate');
});

test('cut off anywhere, it gives no flow and is counted', () => {
  for (let length = 0; length < DATAGRAM.length; length++) {
    const { rows, problem } = testSflow().read(DATAGRAM.subarray(0, length));
    expect(rows).toEqual([]);
    expect(problem?.code).toBe(`ERR_CODEC_SFLOW_${length < 4 ? 'VERSION' : 'TRUNCATED'}`);
  }
});

const PACKET = DATAGRAM.subarray(92, 92 + 54);

describe('records instead of the packet', () => {
  const ethernet = part(
    2,
    hex('00000040 020000000001 0000 fedcba987654 0000 00000800'), // length, macs, type
  );
  const v4 = part(
    3,
    hex('0000002e 00000006 c0000201 c6336402 00009c40 000001bb 00000012 000000b8'),
  );
  const v6 = part(
    4,
    Buffer.concat([
      hex('00000064 00000011'),
      hex('20010db8000000000000000000000001 20010db8000000000000000000000002'),
      hex('00000035 0000d903 00000000 000000b8'),
    ]),
  );
  const macs = { SrcMac: '02:00:00:00:00:01', DstMac: 'fe:dc:ba:98:76:54', Etype: 0x0800 };
  const flow = {
    ...{ SrcAddr: '192.0.2.1', DstAddr: '198.51.100.2', Proto: 6, SrcPort: 40_000, DstPort: 443 },
    ...{ TcpFlags: 0x12, IpTos: 0xb8, Dscp: 46, Etype: 0x0800 },
  };
  const read = (...records: readonly Uint8Array[]) =>
    testSflow().read(sflow({}, flowSample({}, ...records))).rows;

  test('of Ethernet', () => {
    expect(read(ethernet)).toMatchObject([{ ...macs, Bytes: 64 }]);
  });

  test('of IPv4', () => {
    expect(read(v4)).toMatchObject([{ ...flow, Bytes: 46 }]);
  });

  test('of IPv6', () => {
    const ends = { SrcAddr: '2001:db8::1', DstAddr: '2001:db8::2', SrcPort: 53, DstPort: 55_555 };
    const [row] = read(v6);
    expect(row).toMatchObject({ ...ends, Proto: 17, Etype: 0x86dd, Dscp: 46, Bytes: 100 });
    expect(row).not.toHaveProperty('TcpFlags');
  });

  test('of both layers, in any order: the length is that of the frame', () => {
    expect(read(v4, ethernet)).toEqual(read(ethernet, v4));
    expect(read(v4, ethernet)).toMatchObject([{ ...macs, ...flow, Bytes: 64 }]);
  });

  test('the packet knows better', () => {
    const other = part(3, Buffer.alloc(32, 1));
    expect(read(other, rawHeader(PACKET, 1000))).toMatchObject([
      { SrcAddr: '192.0.2.1', IpTtl: 63, Bytes: 1000 },
    ]);
    // Cut off before the addresses, it does not.
    const cut = read(v4, rawHeader(PACKET.subarray(0, 14), 1000));
    expect(cut).toMatchObject([{ ...flow, ...macs, Bytes: 1000 }]);
  });
});

describe('interfaces', () => {
  const SINGLE = 0;
  const DISCARDED = 1;
  const SEVERAL = 2;
  const INTERNAL = 0x3fff_ffff;
  test.each<readonly [string, SampleHead, object]>([
    ['unknown', { input: [SINGLE, 0], output: [SINGLE, 0] }, {}],
    ['the agent itself', { input: [SINGLE, 5], output: [SINGLE, INTERNAL] }, { InIf: 5 }],
    [
      'discarded',
      { input: [SINGLE, 5], output: [DISCARDED, 257] },
      { InIf: 5, ForwardingStatus: 128 },
    ],
    ['several', { input: [SINGLE, 5], output: [SEVERAL, 9] }, { InIf: 5 }],
  ])('%s', (_name, head, expected) => {
    for (const sample of [flowSample, expandedSample]) {
      const [row] = testSflow().read(sflow({}, sample(head, rawHeader(PACKET)))).rows;
      const { InIf, OutIf, ForwardingStatus } = row!;
      expect(JSON.parse(JSON.stringify({ InIf, OutIf, ForwardingStatus }))).toEqual(expected);
    }
  });

  test('of more than 30 bits, where the sample is expanded', () => {
    const head = { input: [SINGLE, 0x8000_0001], output: [SINGLE, 0x7fff_ffff] } as const;
    const { rows } = testSflow().read(sflow({}, expandedSample(head, rawHeader(PACKET))));
    expect(rows).toMatchObject([{ InIf: 0x8000_0001, OutIf: 0x7fff_ffff, SamplingRate: 100 }]);
  });
});

describe('gateways', () => {
  const gateway = (...rest: readonly number[]): Buffer =>
    part(1003, Buffer.concat([address('192.0.2.253'), words(65_000, 65_001, 65_002, ...rest)]));
  const read = (record: Uint8Array) => testSflow().read(sflow({}, flowSample({}, record)));

  test('the path, segment by segment, and communities', () => {
    const { rows, problem } = read(gateway(2, 2, 2, 64_501, 64_502, 1, 1, 64_503, 2, 7, 8, 100));
    expect(problem).toBeUndefined();
    expect(rows).toMatchObject([
      {
        ...{ BgpNextHop: '192.0.2.253', SrcAs: 65_001, NextHopAs: 64_501, DstAs: 64_503 },
        ...{ AsPath: [64_501, 64_502, 64_503], BgpCommunities: [7, 8] },
      },
    ]);
  });

  test('an empty path', () => {
    const [row] = read(gateway(0, 0, 100)).rows;
    expect(row).toMatchObject({ SrcAs: 65_001 });
    for (const name of ['AsPath', 'DstAs', 'NextHopAs', 'BgpCommunities']) {
      expect(row).not.toHaveProperty(name);
    }
  });

  test('lists of several flows stay apart', () => {
    const records = [
      gateway(1, 2, 1, 11, 1, 21, 0),
      gateway(0, 0, 0),
      gateway(1, 2, 1, 12, 1, 22, 0),
    ];
    const samples = records.map((record) => flowSample({}, record));
    const { rows } = testSflow().read(sflow({}, ...samples));
    expect(rows.map(({ AsPath }) => AsPath)).toEqual([[11], undefined, [12]]);
    expect(rows.map(({ BgpCommunities }) => BgpCommunities)).toEqual([[21], undefined, [22]]);
  });

  test('long lists are cut, and what is left out is counted', () => {
    const path = Array.from({ length: AS_PATH_MAX + 3 }, (_, at) => at + 1);
    const communities = Array.from({ length: COMMUNITIES_MAX + 1 }, (_, at) => at + 1);
    const record = gateway(1, 2, path.length, ...path, communities.length, ...communities, 0);
    const bed = testSflow();
    const [row] = bed.read(sflow({}, flowSample({}, record))).rows;
    expect(row!.AsPath).toEqual(path.slice(0, AS_PATH_MAX));
    expect(row).toMatchObject({ DstAs: AS_PATH_MAX + 3 });
    const misfits: Record<string, number> = {};
    bed.reader.takeMisfits((field, values) => {
      misfits[field] = values;
    });
    expect(misfits).toEqual({ AsPath: 3, BgpCommunities: 1 });
  });

  test.each([
    ['a path', gateway(9, 2, 1, 64_501, 0, 0)],
    ['a segment', gateway(1, 2, 0x4000_0001, 64_501, 0, 0)],
    ['communities', gateway(0, 0x4000_0001, 0)],
  ])('%s that reaches beyond the record', (_name, record) => {
    const { rows, problem } = read(record);
    expect(rows).toEqual([]);
    expect(problem?.code).toBe('ERR_CODEC_SFLOW_TRUNCATED');
  });
});

test('an agent with an IPv6 address, and one that gives none', () => {
  const agent = hex('20010db8000000000000000000000063');
  const sample = flowSample({}, rawHeader(PACKET));
  expect(testSflow().read(sflow({ agent }, sample)).rows).toMatchObject([
    { SamplerAddress: '2001:db8::63', SrcAddr: '192.0.2.1' },
  ]);
  expect(testSflow().read(sflow({ agent: undefined }, sample)).rows).toMatchObject([
    { SamplerAddress: '192.0.2.1', SrcAddr: '192.0.2.1' },
  ]);
});

test('a route with an IPv6 next hop, or with none', () => {
  const read = (hop: Uint8Array | undefined) => {
    const record = part(1002, Buffer.concat([address(hop), words(48, 32)]));
    return testSflow().read(sflow({}, flowSample({}, record))).rows;
  };
  expect(read(hex('20010db80000000000000000000000fe'))).toMatchObject([
    { NextHop: '2001:db8::fe', SrcNet: 48, DstNet: 32 },
  ]);
  expect(read(undefined)[0]).not.toHaveProperty('NextHop');
  expect(read(undefined)).toMatchObject([{ SrcNet: 48, DstNet: 32 }]);
});

describe('what is passed over', () => {
  test('samples, records and headers, of any length', () => {
    const { rows, problem, skips } = testSflow().read(
      sflow(
        {},
        part(2, words(1, 3, 0)),
        part(4, words(1, 0, 3, 1, 4413 * 4096 + 1, 0)),
        part(5, Buffer.alloc(1)),
        part(4413 * 4096 + 1, Buffer.alloc(9)),
        flowSample({}, part(1012, Buffer.alloc(5)), part(4413 * 4096 + 3, Buffer.alloc(3))),
        flowSample({}, rawHeader(PACKET, 500, 4)),
        expandedSample({}, part(1006, Buffer.alloc(0)), rawHeader(PACKET)),
      ),
    );
    expect(problem).toBeUndefined();
    expect(skips).toEqual({ counters: 2, samples: 2, records: 3, headers: 1 });
    expect(rows).toMatchObject([{ InIf: 3 }, { InIf: 3, Bytes: 500 }, { SrcAddr: '192.0.2.1' }]);
    expect(rows[1]).not.toHaveProperty('SrcAddr');
  });

  test('the second record of one format', () => {
    const [first, second] = [1, 2].map((vlan) => part(1001, words(vlan, 0, vlan, 0)));
    const { rows } = testSflow().read(sflow({}, flowSample({}, first!, second!)));
    expect(rows).toMatchObject([{ SrcVlan: 1, DstVlan: 1 }]);
  });
});

describe('errors', () => {
  const good = flowSample({}, rawHeader(PACKET));
  const code = (bytes: Uint8Array): string | undefined =>
    testSflow().read(bytes).problem?.code.replace('ERR_CODEC_SFLOW_', '');

  test('another version', () => {
    const old = sflow({}, good);
    old.writeUInt32BE(4, 0);
    expect(code(old)).toBe('VERSION');
  });

  test('an address of a kind that does not exist', () => {
    const strange = sflow({}, good);
    strange.writeUInt32BE(3, 4);
    expect(code(strange)).toBe('ADDRESS');
    expect(code(sflow({}, flowSample({}, part(1002, words(9, 0, 0, 0)))))).toBe('ADDRESS');
    expect(code(sflow({}, flowSample({}, part(1003, Buffer.alloc(40, 9)))))).toBe('ADDRESS');
  });

  test('a sample that is damaged leaves the others', () => {
    const { rows, problem } = testSflow().read(
      sflow({}, good, flowSample({ count: 2 }, rawHeader(PACKET)), flowSample({ rate: 7 })),
    );
    expect(problem?.code).toBe('ERR_CODEC_SFLOW_TRUNCATED');
    expect(rows).toMatchObject([{ SamplingRate: 100 }, { SamplingRate: 7 }]);
  });

  test.each([
    ['more samples than there are', sflow({ count: 2 }, good)],
    ['a record that is too short', sflow({}, flowSample({}, part(3, Buffer.alloc(28))))],
    [
      'a header that is longer than its record',
      sflow({}, flowSample({}, part(1, words(1, 99, 0, 5, 0)))),
    ],
    ['a sample that is too short', sflow({}, part(1, Buffer.alloc(28)))],
    ['an expanded sample that is too short', sflow({}, part(3, Buffer.alloc(40)))],
    // XDR: opaque data ends at a word.
    [
      'a sample without its padding',
      sflow({}, Buffer.concat([words(5), opaque(Buffer.alloc(3)).subarray(0, 7)])),
    ],
  ])('%s', (_name, bytes) => {
    expect(code(bytes)).toBe('TRUNCATED');
  });

  test('values that no field holds are counted', () => {
    const bed = testSflow();
    const record = part(3, words(100, 300, 1, 2, 70_000, 70_000, 0, 0));
    const [row] = bed.read(sflow({}, flowSample({}, record))).rows;
    expect(row).not.toHaveProperty('Proto');
    const misfits: unknown[] = [];
    bed.reader.takeMisfits((...misfit) => misfits.push(misfit));
    expect(misfits).toEqual([['Proto', 1]]);
  });
});

test('without room, flows are lost and counted', () => {
  const bed = testSflow();
  const samples = [1, 2, 3].map(() => flowSample({}, rawHeader(PACKET)));
  const { flows, lost, rows } = bed.read(sflow({}, ...samples), { isFull: true });
  expect({ flows, lost, rows }).toEqual({ flows: 0, lost: 3, rows: [] });
});
