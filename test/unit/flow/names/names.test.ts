import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Codes } from '../../../../src/flow/names/codes.ts';
import { DROP_CAUSES, DROP_STATES } from '../../../../src/flow/names/drop.ts';
import { QUIC_VERSIONS } from '../../../../src/flow/names/quic.ts';
import { TLS_CIPHER_SUITES, TLS_GROUPS, TLS_VERSIONS } from '../../../../src/flow/names/tls.ts';

test.each([
  ['TLS version', TLS_VERSIONS, 0x0303, 'TLS 1.2'],
  ['TLS version', TLS_VERSIONS, 0x0300, 'SSLv3'],
  ['TLS version, unknown', TLS_VERSIONS, 0x7f1c, '0x7F1C'],
  ['cipher suite', TLS_CIPHER_SUITES, 0x1303, 'TLS_CHACHA20_POLY1305_SHA256'],
  ['cipher suite', TLS_CIPHER_SUITES, 0xc02f, 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
  ['cipher suite, unknown', TLS_CIPHER_SUITES, 0x0a0a, '0x0A0A'],
  ['group', TLS_GROUPS, 29, 'X25519'],
  ['group', TLS_GROUPS, 4588, 'X25519MLKEM768'],
  ['group, unknown', TLS_GROUPS, 12_345, 'CurveID(12345)'],
  ['QUIC version', QUIC_VERSIONS, 1, 'QUIC v1'],
  ['QUIC version', QUIC_VERSIONS, 0x6b33_43cf, 'QUIC v2'],
  ['QUIC version, unknown', QUIC_VERSIONS, 0xff00_001d, '0xff00001d'],
  ['drop cause, first', DROP_CAUSES, 2, 'SKB_DROP_REASON_NOT_SPECIFIED'],
  ['drop cause', DROP_CAUSES, 8, 'SKB_DROP_REASON_NETFILTER_DROP'],
  ['drop cause', DROP_CAUSES, 46, 'SKB_DROP_REASON_QDISC_DROP'],
  ['drop cause, last', DROP_CAUSES, 80, 'SKB_DROP_REASON_TC_RECLASSIFY_LOOP'],
  ['drop cause of Open vSwitch', DROP_CAUSES, (3 << 16) + 11, 'OVS_DROP_IP_TTL'],
  ['drop cause of OVN', DROP_CAUSES, (1 << 24) + 9, 'NetworkEvent_UDNIsolation'],
  ['drop state', DROP_STATES, 6, 'TCP_CLOSE'],
])('%s: both ways', (_what, codes, code, name) => {
  expect(codes.nameOf(code)).toBe(name);
  expect(codes.codeOf(name)).toBe(code);
});

test.each([
  ['TLS version', TLS_VERSIONS, 0xffff],
  ['cipher suite', TLS_CIPHER_SUITES, 0xffff],
  ['group', TLS_GROUPS, 0xffff],
  ['QUIC version', QUIC_VERSIONS, 0xffff_ffff],
] as const)('every %s survives the way to its name and back', (_what, codes: Codes, most) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: most }), (code) => {
      expect(codes.codeOf(codes.nameOf(code))).toBe(code);
    }),
  );
});

test.each([
  ['TLS version', TLS_VERSIONS],
  ['cipher suite', TLS_CIPHER_SUITES],
  ['group', TLS_GROUPS],
  ['QUIC version', QUIC_VERSIONS],
])('a text that is no %s has no code', (_what, codes) => {
  for (const text of ['', 'nonsense', '0x', '0x12345678901', 'CurveID(1234567)', 'toString']) {
    expect(codes.codeOf(text)).toBe(0);
  }
});

test('a cause that readers do not know is a number that they call unknown, never 0', () => {
  const code = DROP_CAUSES.codeOf('SKB_DROP_REASON_TCP_ABORT_ON_DATA');
  expect(code).not.toBe(0);
  expect(DROP_CAUSES.nameOf(code)).toBe('SKB_DROP_UNKNOWN_CAUSE');
  expect(DROP_STATES.nameOf(DROP_STATES.codeOf('TCP_TIME_WAIT'))).toBe('TCP_INVALID_STATE');
});
