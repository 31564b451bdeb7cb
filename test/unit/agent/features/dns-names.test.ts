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

/** The names that flows to these addresses would show, if they began now. */
function namesOf(...addresses: readonly string[]): string[] {
  return namesAt(addresses.map((address) => [address, nowMs]));
}

/** The names that flows would show, by address and by when they began. */
function namesAt(flows: readonly (readonly [address: string, startMs: number])[]): string[] {
  const { addresses: table, strings } = space.current;
  const ids = Uint32Array.from(flows, ([address]) => table.internText(address));
  const starts = Float64Array.from(flows, ([, startMs]) => startMs);
  const into = new Uint32Array(ids.length);
  names.fill(ids.length, ids, starts, space.current, into);
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

describe('an address that several names resolve to', () => {
  const ADDRESS = '192.0.2.1';

  function learnAt(timeMs: number, name: string): void {
    names.learn(wordsOf(ADDRESS), 0, name, 300, timeMs);
  }

  function shown(...startsMs: readonly number[]): string[] {
    return namesAt(startsMs.map((startMs) => [ADDRESS, startMs]));
  }

  test('a flow has the name that held when it began; before the first answer, the first', () => {
    learnAt(1000, 'a.example');
    learnAt(2000, 'b.example');
    learnAt(3000, 'a.example');
    begin(5000);
    expect(shown(500, 1000, 1999, 2000, 2999, 3000, 4000)).toEqual([
      ...['a.example', 'a.example', 'a.example', 'b.example', 'b.example', 'a.example'],
      'a.example',
    ]);
  });

  test('an answer that repeats the name changes nothing but its end', () => {
    learnAt(1000, 'a.example');
    learnAt(2000, 'b.example');
    learnAt(301_000, 'b.example');
    begin(600_000);
    expect(shown(1500, 2000, 301_000)).toEqual(['a.example', 'b.example', 'b.example']);
    begin(901_001);
    expect(shown(1500, 2000, 301_000)).toEqual(['', '', '']);
  });

  test('the last four are kept', () => {
    for (let answer = 1; answer <= 6; answer++) learnAt(answer * 1000, `${answer}.example`);
    begin(7000);
    expect(shown(1000, 3500, 4500, 5500, 6500)).toEqual([
      ...['3.example', '3.example', '4.example', '5.example', '6.example'],
    ]);
  });
});

test('ids may take the place of addresses', () => {
  learn('192.0.2.1', 'one.example');
  const { addresses, strings } = space.current;
  const ids = Uint32Array.of(addresses.internText('192.0.2.2'), addresses.internText('192.0.2.1'));
  names.fill(2, ids, new Float64Array(2), space.current, ids);
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
