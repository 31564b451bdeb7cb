import { expect, test } from 'vitest';
import {
  Direction,
  DNS_RESPONSE_CODES,
  ICMPV6_TYPES,
  NAMES,
  SERVICE_CLASSES,
  TCP_STATES,
  tcpFlagNames,
} from '../../../src/flow/enums.ts';

const TABLES = {
  ...NAMES,
  dnsResponseCodes: DNS_RESPONSE_CODES,
  tcpStates: TCP_STATES,
  icmpv6Types: ICMPV6_TYPES,
};

test.each(Object.entries(TABLES))('%s goes both ways', (_name, names) => {
  expect(names.entries.length).toBeGreaterThan(0);
  for (const [value, name] of names.entries) {
    expect(names.nameOf(value)).toBe(name);
    expect(names.numberOf(name)).toBe(value);
    expect(names.numberOf(name.toUpperCase())).toBe(value);
    expect(names.numberOf(String(value))).toBe(value);
  }
  expect(names.nameOf(99_999)).toBeUndefined();
  expect(names.numberOf('no such name')).toBeUndefined();
  expect(names.numberOf('constructor')).toBeUndefined();
  expect(names.numberOf('')).toBeUndefined();
});

// IANA, the kernel's headers and the readers of `flowlogs-pipeline`.
test.each([
  [NAMES.protocol, 'TCP', 6],
  [NAMES.protocol, 'UDP', 17],
  [NAMES.protocol, 'ICMPv6', 58],
  [NAMES.protocol, 'SCTP', 132],
  [NAMES.etherType, 'IPv4', 2048],
  [NAMES.etherType, 'IPv6', 34_525],
  [NAMES.dscp, 'EF', 46],
  [NAMES.tcpFlags, 'CWR', 128],
  [NAMES.tcpFlags, 'SYN_ACK', 256],
  [NAMES.tcpFlags, 'RST_ACK', 1024],
  [DNS_RESPONSE_CODES, 'NXDomain', 3],
  [TCP_STATES, 'TCP_TIME_WAIT', 6],
  [TCP_STATES, 'TCP_CLOSE', 7],
])('%# %s', (names, name, value) => {
  expect(names.numberOf(name)).toBe(value);
});

test('flags are named from the lowest bit up, and unknown bits left out', () => {
  expect(tcpFlagNames(0)).toEqual([]);
  expect(tcpFlagNames(0x112)).toEqual(['SYN', 'ACK', 'SYN_ACK']);
  expect(tcpFlagNames(0xf800)).toEqual([]);
  expect(tcpFlagNames(0xffff)).toHaveLength(11);
});

test('directions are those of the wire', () => {
  expect(Direction).toEqual({ Ingress: 0, Egress: 1, Inner: 2, Both: 3 });
});

test('the twelve classes of service share no code point', () => {
  expect(SERVICE_CLASSES).toHaveLength(12);
  const codePoints = SERVICE_CLASSES.flatMap((one) => one.codePoints);
  expect(new Set(codePoints).size).toBe(codePoints.length);
  for (const point of codePoints) expect(NAMES.dscp.nameOf(point), String(point)).toBeDefined();
});
