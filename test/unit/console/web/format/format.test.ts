import { expect, test } from 'vitest';
import {
  dscpName,
  etherTypeName,
  joinAddressPort,
  portName,
  protocolName,
  tcpFlagNames,
} from '../../../../../src/console/web/format/names.ts';
import {
  formatByteRate,
  formatBytes,
  formatChange,
  formatCount,
  formatExact,
  formatPacketRate,
} from '../../../../../src/console/web/format/numbers.ts';
import {
  formatDuration,
  formatSpan,
  formatUtc,
} from '../../../../../src/console/web/format/time.ts';
import { checkRange } from '../../../../../src/console/web/shell/check-range.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [1234, '1.23 kB'],
  [12_345, '12.3 kB'],
  [123_456, '123 kB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [1.5e18, '1.50 EB'],
  [0.25, '0.25 B'],
  [0.0033, '<0.01 B'],
  [1e-9, '0 B'],
])('%d bytes', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

test('rates in bits and in bytes', () => {
  expect(formatByteRate(1e6, 'bits')).toBe('8.00 Mbit/s');
  expect(formatByteRate(1e6, 'bytes')).toBe('1.00 MB/s');
  expect(formatPacketRate(1500)).toBe('1.50 kpps');
  expect(formatCount(1500)).toBe('1.50 k');
  expect(formatExact(1_234_567)).toBe('1\u202f234\u202f567');
});

test.each([
  [110, 100, '+10 %'],
  [90, 100, '−10 %'],
  [100.1, 100, '±0 %'],
  [5000, 1, '+>999 %'],
  [5, 0, undefined],
])('%d after %d', (now, before, text) => expect(formatChange(now, before)).toBe(text));

test.each([
  [0, '0 ms'],
  [0.25, '250 µs'],
  [12, '12 ms'],
  [1500, '1.5 s'],
  [125_000, '2m 5s'],
  [97_200_000, '1d 3h'],
  [-20, '-20 ms'],
])('%d ms', (ms, text) => expect(formatDuration(ms)).toBe(text));

test.each([
  [300, '5m'],
  [7200, '2h'],
  [604_800, '1w'],
  [90, '90s'],
])('a range of %d s', (seconds, text) => expect(formatSpan(seconds)).toBe(text));

test('an instant in UTC', () => {
  expect(formatUtc(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(formatUtc(Number.NaN)).toBe('NaN');
});

test('numbers of protocols by name', () => {
  expect([6, 17, 58, 250].map(protocolName)).toEqual(['TCP', 'UDP', 'IPv6-ICMP', '250']);
  expect([46, 0, 63].map(dscpName)).toEqual(['EF', 'CS0', '63']);
  expect(etherTypeName(0x1234)).toBe('0x1234');
  expect(tcpFlagNames(0x12 | 256)).toEqual(['SYN', 'ACK', 'SYN_ACK']);
  expect(tcpFlagNames(2048)).toEqual(['2048']);
  expect(portName(443, {})).toBe('https');
  expect(portName(443, { '443': 'ours' })).toBe('ours');
  expect(joinAddressPort('fd00::1', 443)).toBe('[fd00::1]:443');
  expect(joinAddressPort('10.0.0.1', 0)).toBe('10.0.0.1');
});

test.each([
  ['both ends are needed', undefined, 5000, 'incomplete'],
  ['the end is later', 5000, 5000, 'order'],
  ['the future is not known', 5000, 200_000, 'future'],
  ['clocks may differ a little', 5000, 60_000, { kind: 'between', startS: 5, endS: 60 }],
])('%s', (_why, fromMs, toMs, wanted) => {
  expect(checkRange(fromMs, toMs, 10_000)).toEqual(wanted);
});
