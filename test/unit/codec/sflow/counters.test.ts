import { expect, test } from 'vitest';
import { INTERFACE_COUNTERS } from '../../../../src/codec/sflow/counters.ts';
import { part, sflow, testSflow, words } from '../../../support/codec/sflow-bytes.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** Generic counters of an interface, in the order of sflow.org/sflow_version_5.txt. */
const RECORD = hex(`
  00000001 00000058
    00000007 00000006 00000000 3b9aca00 00000001 00000003
    00000002 00000003 00000064 00000065 00000066 00000067 00000068 ffffffff
    ffffffff ffffffff 000000c8 ffffffff 000000ca 000000cb 000000cc
    00000002`);

const COMPACT = part(2, Buffer.concat([words(1, 7, 1), RECORD]));
const EXPANDED = part(
  4,
  Buffer.concat([words(1, 0, 7, 2), part(2, Buffer.alloc(52)), RECORD]), // after those of Ethernet
);

test.each([
  ['compact', COMPACT],
  ['expanded', EXPANDED],
])('counters of an interface, %s', (_name, sample) => {
  const { read, counters } = testSflow();
  const { problem, skips, rows } = read(sflow({}, sample));
  expect(problem).toBeUndefined();
  expect(skips.counters).toBe(0);
  expect(rows).toEqual([]);
  expect(INTERFACE_COUNTERS.join()).toBe('octets,unicast,multicast,broadcast,discards,errors');
  expect(counters).toEqual([
    {
      ...{ agent: '192.0.2.99', index: 7 },
      incoming: [2 * 2 ** 32 + 3, 100, 101, 102, 103, 104],
      // All bits: the agent does not have it.
      outgoing: [Number.NaN, 200, Number.NaN, 202, 203, 204],
    },
  ]);
});

test('late ones, others, and those of an agent without an address', () => {
  const { read, counters } = testSflow();
  read(sflow({ sequence: 5, agent: undefined }, COMPACT));
  expect(counters.map(({ agent }) => agent)).toEqual(['192.0.2.1']);
  const late = read(sflow({ sequence: 4, agent: undefined }, COMPACT));
  const other = read(
    sflow({ sequence: 6 }, part(2, Buffer.concat([words(1, 7, 1), part(5, words(1))]))),
  );
  expect([late.skips.counters, other.skips.counters, counters.length]).toEqual([1, 1, 1]);
});

test.each([
  ['a sample', part(2, words(1, 7))],
  ['an expanded sample', part(4, words(1, 7, 0))],
  ['a record', part(2, Buffer.concat([words(1, 7, 2), RECORD]))],
  ['the counters', part(2, Buffer.concat([words(1, 7, 1), part(1, Buffer.alloc(84))]))],
])('%s that is too short', (_name, sample) => {
  const { read, counters } = testSflow();
  expect(read(sflow({}, sample)).problem?.code).toBe('ERR_CODEC_SFLOW_TRUNCATED');
  expect(counters).toEqual([]);
});
