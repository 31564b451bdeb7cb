import { beforeEach, describe, expect, test } from 'vitest';
import { DnsNames } from '../../../../src/agent/features/dns-names.ts';
import { createAgentMetrics } from '../../../../src/agent/metrics.ts';
import { parseAddress } from '../../../../src/base/ip.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';

const MINUTE_MS = 60_000;

let metrics: ReturnType<typeof createMetrics>;
let names: DnsNames;
let space: TableSpace;
let nowMs: number;

beforeEach(() => {
  metrics = createMetrics('');
  names = new DnsNames(createAgentMetrics(metrics, 'info'));
  space = new TableSpace();
  begin(0);
});

function begin(ms: number): void {
  nowMs = ms;
  names.begin(ms);
}

function wordsOf(address: string): Uint32Array {
  return new Uint32Array(parseAddress(address)!.slice().buffer);
}

function learn(address: string, name: string, ttlS = 300): void {
  names.learn(wordsOf(address), 0, name, ttlS, nowMs);
}

/** The names that flows to these addresses would show. */
function namesOf(...addresses: readonly string[]): string[] {
  const { addresses: table, strings } = space.current;
  const ids = Uint32Array.from(addresses, (address) => table.internText(address));
  const into = new Uint32Array(ids.length);
  names.fill(ids.length, ids, space.current, into);
  return [...into].map((id) => strings.text(id));
}

test('addresses that were answered bear names, others none', () => {
  learn('192.0.2.1', 'one.example');
  learn('2001:db8::1', 'six.example');
  expect(namesOf('192.0.2.1', '192.0.2.2', '2001:db8::1', '192.0.2.1')).toEqual([
    ...['one.example', '', 'six.example', 'one.example'],
  ]);
});

test('the last answer holds', () => {
  learn('192.0.2.1', 'old.example');
  expect(namesOf('192.0.2.1')).toEqual(['old.example']);
  learn('192.0.2.1', 'new.example');
  begin(1);
  expect(namesOf('192.0.2.1')).toEqual(['new.example']);
});

test('ids may take the place of addresses', () => {
  learn('192.0.2.1', 'one.example');
  const { addresses, strings } = space.current;
  const ids = Uint32Array.of(addresses.internText('192.0.2.2'), addresses.internText('192.0.2.1'));
  names.fill(2, ids, space.current, ids);
  expect([...ids].map((id) => strings.text(id))).toEqual(['', 'one.example']);
});

describe('time to live', () => {
  test.each([
    ['within it', 300, 300_000, 'one.example'],
    ['beyond it', 300, 300_001, ''],
    ['a short one lasts a minute', 1, MINUTE_MS, 'one.example'],
    ['but not longer', 1, MINUTE_MS + 1, ''],
    ['a long one lasts a day', 2 ** 31 - 1, 24 * 60 * MINUTE_MS, 'one.example'],
    ['but not longer', 2 ** 31 - 1, 24 * 60 * MINUTE_MS + 1, ''],
  ])('%s', (_why, ttlS, afterMs, name) => {
    learn('192.0.2.1', 'one.example', ttlS);
    begin(afterMs);
    expect(namesOf('192.0.2.1')).toEqual([name]);
  });

  test('traffic that goes on keeps its name', () => {
    learn('192.0.2.1', 'one.example', 1);
    learn('192.0.2.2', 'two.example', 1);
    for (let nowMs = 0; nowMs <= 10 * MINUTE_MS; nowMs += MINUTE_MS) {
      begin(nowMs);
      expect(namesOf('192.0.2.1')).toEqual(['one.example']);
    }
    expect(namesOf('192.0.2.2')).toEqual(['']);
  });
});

test.each(['0.0.0.0', '127.0.0.1', '127.1.2.3', '::', '::1'])('%s is nobody', (address) => {
  learn(address, 'advertising.example');
  expect(namesOf(address)).toEqual(['']);
});

test('names outlive the tables that their ids are of', () => {
  space = new TableSpace(1);
  learn('192.0.2.1', 'one.example');
  expect(namesOf('192.0.2.9', '192.0.2.1')).toEqual(['', 'one.example']);
  expect(space.rotateIfFull()).toBe(true);
  // Ids of the new generation differ.
  expect(namesOf('192.0.2.1', '192.0.2.9')).toEqual(['one.example', '']);
});

test('of more addresses than there is room for, those in use stay, and the others are counted', async () => {
  const address = (index: number): string =>
    `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  learn('192.0.2.1', 'kept.example');
  for (let index = 0; index < 100_000; index++) {
    learn(address(index), 'flood.example');
    if (index % 10_000 === 0) {
      begin(1);
      expect(namesOf('192.0.2.1')).toEqual(['kept.example']);
    }
  }
  begin(2);
  expect(namesOf(address(0), address(99_999))).toEqual(['', 'flood.example']);
  const text = await metrics.registry.metrics();
  const lost = Number(/feature="dns",reason="names_full"} (\d+)/.exec(text)?.[1]);
  expect(lost).toBeGreaterThan(30_000);
  expect(lost).toBeLessThan(70_000);
});
