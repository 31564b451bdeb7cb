import { describe, expect, test } from 'vitest';
import { fieldByName } from '../../../../src/flow/fields.ts';
import type { Row } from '../../../../src/flow/row.ts';
import { anyPacket, type Values } from '../../../support/codec/built-packet.ts';
import { randomFrom } from '../../../support/codec/mutations.ts';
import { octets, v4 } from '../../../support/codec/netflow-bytes.ts';
import { flowSample, rawHeader, sflow, testSflow } from '../../../support/codec/sflow-bytes.ts';

const PACKETS = 4000;

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

const OF_SAMPLE = new Set([
  ...['Type', 'SequenceNum', 'SamplerAddress', 'TimeReceived', 'TimeFlowStart', 'TimeFlowEnd'],
  ...['TimeFlowStartMs', 'TimeFlowEndMs', 'ObservationDomainId', 'SamplingRate', 'InIf', 'OutIf'],
  ...['Bytes', 'Packets'],
]);

/** The fields that come from the headers of a packet. */
function ofPacket(row: Row): object {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !OF_SAMPLE.has(name)));
}

/** Zeros of some fields are not shown. */
function visible(values: Values): object {
  return Object.fromEntries(
    Object.entries(values).filter(
      ([name, value]) => value !== 0 || fieldByName(name)!.omitZero !== true,
    ),
  );
}

const reader = testSflow();

function fieldsOf(header: Uint8Array, protocol = 1): object {
  const { rows, problem } = reader.read(sflow({}, flowSample({}, rawHeader(header, 99, protocol))));
  expect(problem).toBeUndefined();
  expect(rows).toHaveLength(1);
  return ofPacket(rows[0]!);
}

test('packets of any layers, cut off anywhere, have the fields that they were built with', () => {
  const random = randomFrom(5);
  const tunnels = new Map<unknown, number>();
  for (let round = 0; round < PACKETS; round++) {
    const packet = anyPacket(random);
    for (const length of [packet.bytes.length, random() % packet.bytes.length]) {
      const expected = visible(packet.valuesIn(length)) as Values;
      const header = packet.bytes.subarray(0, length);
      const found = fieldsOf(header, packet.protocol);
      expect(found, `${packet.protocol}: ${header.toString('hex')}`).toEqual(expected);
      tunnels.set(expected.TunnelType, (tunnels.get(expected.TunnelType) ?? 0) + 1);
    }
  }
  // A check of the check: there are many of each kind.
  for (const type of [undefined, 'vxlan', 'geneve', 'gre', 'ipip']) {
    expect(tunnels.get(type), String(type)).toBeGreaterThan(50);
  }
});

/** A datagram that asks a name server, octet by octet: Ethernet, 802.1Q, IPv4, UDP. */
const QUESTION = hex(`
  fedcba987654 020000000001 8100 202a 0800
  45b8 0030 1234 4000 40 11 0000 c0000201 c6336402
  d903 0035 001c 0000
  0001 0100 0001 0000 0000 0000 0161 0000`);

test('a packet written by hand', () => {
  expect(fieldsOf(QUESTION)).toEqual({
    ...{ SrcMac: '02:00:00:00:00:01', DstMac: 'fe:dc:ba:98:76:54', VlanId: 42, Etype: 0x0800 },
    ...{ SrcAddr: '192.0.2.1', DstAddr: '198.51.100.2', Proto: 17, SrcPort: 55_555, DstPort: 53 },
    ...{ IpTos: 0xb8, Dscp: 46, IpTtl: 64 },
  });
});

const V4 = (protocol: number, payload: Uint8Array, length = 20 + payload.length): Buffer =>
  Buffer.concat([
    octets([1, 0x45], [1, 0], [2, length], [4, 0], [1, 64], [1, protocol], [2, 0]),
    ...[v4('192.0.2.1'), v4('192.0.2.2'), payload],
  ]);

const PORTS = octets([2, 1000], [2, 2000], [4, 0]);

describe('IPv4', () => {
  test('octets behind the packet are not a part of it', () => {
    const fields = fieldsOf(Buffer.concat([V4(17, Buffer.alloc(0)), PORTS]), 11);
    expect(fields).toMatchObject({ Proto: 17, SrcAddr: '192.0.2.1' });
    expect(fields).not.toHaveProperty('SrcPort');
  });

  test('before segmentation, the length may be 0', () => {
    expect(fieldsOf(V4(17, PORTS, 0), 11)).toMatchObject({ SrcPort: 1000, DstPort: 2000 });
  });

  test.each([
    ['another version', Buffer.concat([octets([1, 0x65]), V4(17, PORTS).subarray(1)])],
    ['a header that is too short', Buffer.concat([octets([1, 0x44]), V4(17, PORTS).subarray(1)])],
  ])('%s: nothing but the type', (_name, packet) => {
    expect(fieldsOf(packet, 11)).toEqual({ Etype: 0x0800 });
  });
});

describe('IPv6', () => {
  const V6 = (next: number, payload: Uint8Array): Buffer =>
    Buffer.concat([
      octets([4, 0x6000_0000], [2, payload.length], [1, next], [1, 64]),
      ...[Buffer.alloc(16, 1), Buffer.alloc(16, 2), payload],
    ]);
  const options = (next: number): Buffer => Buffer.concat([octets([1, next]), Buffer.alloc(7)]);

  test('eight extension headers are read, more are not', () => {
    const eight = [60, 60, 60, 60, 60, 60, 60, 17].map(options);
    const read = fieldsOf(V6(60, Buffer.concat([...eight, PORTS])), 12);
    expect(read).toMatchObject({ Proto: 17, SrcPort: 1000 });
    const unread = fieldsOf(V6(60, Buffer.concat([options(60), ...eight, PORTS])), 12);
    expect(unread).toHaveProperty('SrcAddr');
    expect(unread).not.toHaveProperty('Proto');
    expect(unread).not.toHaveProperty('SrcPort');
  });

  test('a fragment that is a whole packet is one (RFC 6946)', () => {
    const atomic = octets([1, 17], [1, 0], [2, 0], [4, 77]);
    const fields = fieldsOf(V6(44, Buffer.concat([atomic, PORTS])), 12);
    expect(fields).toMatchObject({ SrcPort: 1000 });
    expect(fields).not.toHaveProperty('FragmentId');
  });

  test('a later fragment of which nothing but options is known', () => {
    const later = octets([1, 60], [1, 0], [2, 8 * 5], [4, 77]);
    const fields = fieldsOf(V6(44, Buffer.concat([later, options(17), PORTS])), 12);
    expect(fields).toMatchObject({ FragmentId: 77, FragmentOffset: 5 });
    expect(fields).not.toHaveProperty('Proto');
  });
});

test('a length in place of a type (802.3) is not one', () => {
  const frame = Buffer.concat([Buffer.alloc(12, 2), octets([2, 46]), Buffer.alloc(46, 0x42)]);
  expect(fieldsOf(frame)).toEqual({ SrcMac: '02:02:02:02:02:02', DstMac: '02:02:02:02:02:02' });
});

describe('MPLS', () => {
  const frame = (...rest: readonly Uint8Array[]): Buffer =>
    Buffer.concat([Buffer.alloc(12, 2), octets([2, 0x8847]), ...rest]);
  const label = (value: number, last: number): Buffer => octets([4, value * 4096 + last * 256 + 9]);

  test('16 labels are read', () => {
    const labels = Array.from({ length: 20 }, (_, at) => label(at + 1, 0));
    const fields = fieldsOf(frame(...labels, label(21, 1), V4(17, PORTS)));
    expect(fields).toMatchObject({ Etype: 0x8847, MplsCount: 16, Mpls_3Label: 3, Mpls_1Ttl: 9 });
    expect(fields).not.toHaveProperty('MplsLastLabel');
    expect(fields).not.toHaveProperty('SrcAddr');
  });

  test('a payload that is not IP', () => {
    const fields = fieldsOf(frame(label(5, 1), Buffer.alloc(40)));
    expect(fields).toMatchObject({ Etype: 0x8847, MplsCount: 1, MplsLastLabel: 5 });
    expect(fields).not.toHaveProperty('SrcAddr');
  });
});

describe('tunnels', () => {
  const inner = V4(17, PORTS);
  const udp = (port: number, ...rest: readonly Uint8Array[]): Buffer =>
    V4(17, Buffer.concat([octets([2, 7000], [2, port], [4, 0]), ...rest]));
  const gre = (...rest: readonly Uint8Array[]): Buffer => V4(47, Buffer.concat(rest));

  test.each([
    ['VXLAN without an identifier', udp(4789, Buffer.alloc(8), Buffer.alloc(14), inner)],
    ['Geneve, version 1', udp(6081, octets([1, 0x40], [1, 0], [2, 0x0800], [4, 0]), inner)],
    ['GRE, version 1 (PPTP)', gre(octets([2, 1], [2, 0x0800]), inner)],
    ['GRE with the routing of RFC 1701', gre(octets([2, 0x4000], [2, 0x0800]), inner)],
    ['GRE with something else', gre(octets([2, 0], [2, 0x88be]), inner)],
    ['IP in IP, cut off', V4(4, inner.subarray(0, 19))],
  ])('%s: the flow is the outer one', (_name, packet) => {
    const fields = fieldsOf(packet, 11);
    expect(fields).toMatchObject({ SrcAddr: '192.0.2.1', Proto: packet[9] });
    expect(fields).not.toHaveProperty('TunnelType');
  });

  test('fragments are not looked into', () => {
    const packet = Buffer.from(V4(4, inner));
    packet.writeUInt16BE(0x2000, 6);
    expect(fieldsOf(packet, 11)).toMatchObject({ Proto: 4, SrcAddr: '192.0.2.1' });
  });

  test('one tunnel is looked into', () => {
    const fields = fieldsOf(V4(4, V4(4, inner)), 11);
    expect(fields).toMatchObject({ Proto: 4, TunnelType: 'ipip' });
    expect(fields).not.toHaveProperty('SrcPort');
  });
});
