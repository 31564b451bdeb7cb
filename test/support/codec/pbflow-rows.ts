import fc from 'fast-check';
import type { Row } from '../../../src/flow/row.ts';

/**
 * Flows as agents make them: with the values that follow from the protocol, the feature and the
 * rest of the row. Only for such rows can a decoder restore all that the wire leaves out.
 */
export function flowRows(): fc.Arbitrary<Row> {
  return fc
    .record({
      base: baseOf(),
      parts: fc.subarray([0, 1, 2, 3, 4, 5, 6, 7]),
      dns: dnsOf(),
      drop: dropOf(),
      xlat: xlatOf(),
      tls: tlsOf(),
      quic: fc.record({
        QuicVersion: fc.constantFrom('QUIC v1', 'QUIC v2', '0xff00001d'),
        QuicSeenLongHdr: fc.nat(1),
        QuicSeenShortHdr: fc.nat(1),
      }),
      tunnel: fc.record({
        TunnelType: fc.constantFrom('vxlan', 'geneve'),
        TunnelId: fc.nat(2 ** 24 - 1),
        TunnelSrcAddr: address(),
        TunnelDstAddr: address(),
      }),
      ipsec: fc.constantFrom<Row>(
        { IPSecStatus: 'success', IPSecRetCode: 0 },
        { IPSecStatus: 'error', IPSecRetCode: -22 },
        { IPSecStatus: 'error', IPSecRetCode: 7 },
      ),
      extras: extrasOf(),
    })
    .map(({ base, parts, ...of }): Row => {
      const all = [of.dns, of.drop, of.xlat, of.tls, of.quic, of.tunnel, of.ipsec, of.extras];
      return Object.assign({}, base, ...parts.map((part) => all[part]!));
    });
}

const name = (): fc.Arbitrary<string> =>
  fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });
const counter = (): fc.Arbitrary<number> =>
  fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));

function address(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.ipV4().filter((text) => text !== '0.0.0.0'),
    fc.nat(0xfffe).map((last) => `2001:db8::${(last + 1).toString(16)}`),
  );
}

const mac = (): fc.Arbitrary<string> =>
  fc.integer({ min: 1, max: 2 ** 48 - 1 }).map((value) =>
    value
      .toString(16)
      .padStart(12, '0')
      .replace(/..(?=.)/g, '$&:'),
  );

function baseOf(): fc.Arbitrary<Row> {
  const time = fc.integer({ min: 1_600_000_000_000, max: 4_000_000_000_000 });
  return fc
    .record({
      times: fc.record({ TimeFlowStartMs: time, TimeFlowEndMs: time }),
      ends: fc.record({ SrcAddr: address(), DstAddr: address(), AgentIP: address() }),
      macs: fc.record({ SrcMac: mac(), DstMac: mac() }, { requiredKeys: [] }),
      Etype: fc.constantFrom(0x0800, 0x86dd),
      Proto: fc.constantFrom(1, 6, 17, 47, 58, 132),
      Dscp: fc.nat(63),
      FlowDirection: fc.nat(1),
      ports: fc.record({ SrcPort: fc.nat(65_535), DstPort: fc.nat(65_535) }),
      icmp: fc.record({ IcmpType: fc.nat(255), IcmpCode: fc.nat(255) }),
      Flags: fc.nat(2047),
      volume: fc.record({ Bytes: counter(), Packets: counter() }, { requiredKeys: [] }),
      interfaces: fc.array(
        fc.record({ name: name(), direction: fc.constantFrom(0, 1, 3), udn: name() }),
        { maxLength: 6 },
      ),
      isMapped: fc.boolean(),
    })
    .map(({ times, ends, macs, ports, icmp, Flags, volume, interfaces, isMapped, ...row }) => ({
      ...row,
      ...times,
      ...ends,
      ...macs,
      ...volume,
      ...([6, 17, 132].includes(row.Proto) ? ports : {}),
      ...([1, 58].includes(row.Proto) ? icmp : {}),
      ...(row.Proto === 6 ? { Flags } : {}),
      ...(interfaces.length === 0
        ? {}
        : {
            Interfaces: interfaces.map((one) => one.name),
            IfDirections: interfaces.map((one) => one.direction),
            ...(isMapped ? { Udns: interfaces.map((one) => one.udn) } : {}),
          }),
    }));
}

function dnsOf(): fc.Arbitrary<Row> {
  const codes = ['NoError', 'FormErr', 'BADVERS', 'NXDomain', 'UnDefined', 'BADCOOKIE', undefined];
  return fc
    .record({
      row: fc.record(
        {
          DnsId: fc.integer({ min: 1, max: 65_535 }),
          DnsName: name(),
          DnsLatencyMs: fc.nat(10_000_000).map((us) => us / 1000),
          DnsErrno: fc.integer({ min: 1, max: 255 }),
          DnsQueryType: fc.constantFrom('A', 'AAAA', 'TYPE65'),
          DnsQueries: counter(),
          DnsLostQueries: counter(),
          DnsRepeatedQueries: counter(),
          DnsAnswers: fc.array(name(), { minLength: 1, maxLength: 4 }),
        },
        { requiredKeys: ['DnsId', 'DnsLatencyMs'] },
      ),
      high: fc.nat(0xfff),
      code: fc.nat(codes.length - 1),
    })
    .map(({ row, high, code }) => ({
      ...row,
      DnsFlags: ((high << 4) & 0xffff) | 0x8000 | code,
      ...(codes[code] === undefined ? {} : { DnsFlagsResponseCode: codes[code] }),
    }));
}

function dropOf(): fc.Arbitrary<Row> {
  return fc.record(
    {
      PktDropBytes: fc.oneof(fc.nat(65_535), counter()),
      PktDropPackets: fc.oneof(fc.nat(65_535), counter()),
      PktDropLatestState: fc.constantFrom('TCP_ESTABLISHED', 'TCP_TIME_WAIT', 'TCP_CLOSE', 'TCP_X'),
      PktDropLatestDropCause: fc.constantFrom(
        'SKB_DROP_REASON_NO_SOCKET',
        'SKB_DROP_REASON_TCP_ABORT_ON_DATA',
        'OVS_DROP_METER',
        'NetworkEvent_NetworkPolicy',
      ),
      PktDropLatestFlags: fc.nat(2047),
      PktDropLocation: name(),
    },
    {
      requiredKeys: [
        'PktDropBytes',
        'PktDropPackets',
        'PktDropLatestDropCause',
        'PktDropLatestFlags',
      ],
    },
  );
}

function xlatOf(): fc.Arbitrary<Row> {
  const port = fc.integer({ min: 1, max: 65_535 });
  return fc.record(
    {
      ZoneId: fc.nat(65_535),
      XlatSrcAddr: address(),
      XlatDstAddr: address(),
      XlatSrcPort: port,
      XlatDstPort: port,
    },
    { requiredKeys: ['ZoneId', 'XlatSrcAddr', 'XlatDstAddr'] },
  );
}

function tlsOf(): fc.Arbitrary<Row> {
  return fc.record(
    {
      TLSVersion: fc.constantFrom('TLS 1.2', '~ TLS 1.3', 'SSLv3', '0x0305', '~ 0xABCD'),
      TLSCipherSuite: fc.constantFrom('TLS_AES_128_GCM_SHA256', '0xC0FF'),
      TLSGroup: fc.constantFrom('X25519', 'CurveP256', 'CurveID(4242)'),
      TLSTypes: fc.subarray(['ClientHello', 'ServerHello', 'ChangeCipher', 'Alert', 'AppData'], {
        minLength: 1,
      }),
      TLSServerName: name(),
      TLSAlpn: fc.array(name(), { minLength: 1, maxLength: 3 }),
      OpenSslBytes: counter(),
    },
    { requiredKeys: [] },
  );
}

function extrasOf(): fc.Arbitrary<Row> {
  return fc.record(
    {
      Sampling: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      VlanId: fc.integer({ min: 1, max: 4095 }),
      Interface: name(),
      Duplicate: fc.constant(true),
      FlowEndReason: fc.integer({ min: 1, max: 5 }),
      Initiator: fc.integer({ min: 1, max: 2 }),
      TcpRetransmissions: counter(),
      TcpHandshakeNs: counter(),
      TimeFlowRttNs: fc.integer({ min: 1, max: 2 ** 40 }),
      TimeFlowRttMinNs: counter(),
      ProcessId: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      ProcessName: name(),
      Cgroup: name(),
      SrcDnsName: name(),
      NetworkEvents: fc.array(
        fc.record({ Feature: fc.constant('acl'), Action: name(), Message: name() }),
        { minLength: 1, maxLength: 4 },
      ),
    },
    { requiredKeys: [] },
  );
}
