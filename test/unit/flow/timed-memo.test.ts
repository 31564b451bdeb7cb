import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChangeLog } from '../../../src/base/change-log.ts';
import { MISSING, TableSpace } from '../../../src/flow/intern.ts';
import { type FactSpans, type TimedFacts, TimedMemo } from '../../../src/flow/timed-memo.ts';

type Span = readonly [fromMs: number, fact: number];

/** Spans by the text of an address, changed by `set`. */
class Facts implements TimedFacts {
  version = 0;
  finds = 0;
  readonly #spans = new Map<string, readonly Span[]>();

  set(address: string, spans: readonly Span[]): void {
    this.#spans.set(address, spans);
    this.version++;
  }

  find(id: number, tables: TableSpace['current'], into: FactSpans): void {
    this.finds++;
    for (const [fromMs, fact] of this.#spans.get(tables.addresses.text(id)) ?? []) {
      into.add(fromMs, fact);
    }
  }

  at(address: string, timeMs: number): number {
    const spans = this.#spans.get(address) ?? [];
    return spans.findLast(([fromMs]) => fromMs <= timeMs)?.[1] ?? 0;
  }
}

type Row = readonly [address: string, timeMs: number];

function fill(memo: TimedMemo, facts: Facts, space: TableSpace, rows: readonly Row[]): number[] {
  const { addresses } = space.current;
  const ids = Uint32Array.from(rows, ([address]) =>
    address === '' ? MISSING : addresses.internText(address),
  );
  const times = Float64Array.from(rows, ([, timeMs]) => timeMs);
  memo.fill(ids.length, ids, times, space.current, facts, ids);
  return [...ids];
}

test('an address has the fact that holds at the row’s time', () => {
  const facts = new Facts();
  facts.set('10.0.0.1', [
    [1000, 7],
    [2000, 0],
    [3000, 8],
  ]);
  facts.set('10.0.0.2', [[Number.NEGATIVE_INFINITY, 2 ** 31 - 1]]);
  const rows: Row[] = [
    ['10.0.0.1', 999],
    ['10.0.0.1', 1000],
    ['10.0.0.1', 2500],
    ['10.0.0.1', 3000],
    ['10.0.0.2', 0],
    ['10.0.0.3', 0],
    ['', 0],
  ];
  expect(fill(new TimedMemo(), facts, new TableSpace(), rows)).toEqual([
    ...[0, 7, 0, 8, 2 ** 31 - 1, 0, 0],
  ]);
});

test('an address is looked up once for each version and each generation of tables', () => {
  const facts = new Facts();
  const memo = new TimedMemo();
  const space = new TableSpace(1);
  facts.set('10.0.0.1', [[0, 1]]);
  const rows: Row[] = [
    ['10.0.0.1', 5],
    ['10.0.0.1', 6],
  ];
  expect(fill(memo, facts, space, rows)).toEqual([1, 1]);
  expect(fill(memo, facts, space, rows)).toEqual([1, 1]);
  expect(facts.finds).toBe(1);
  facts.set('10.0.0.1', [
    [0, 1],
    [6, 2],
  ]);
  expect(fill(memo, facts, space, rows)).toEqual([1, 2]);
  expect(facts.finds).toBe(2);
  expect(space.rotateIfFull()).toBe(true);
  expect(fill(memo, facts, space, rows)).toEqual([1, 2]);
  expect(facts.finds).toBe(3);
});

/** As few changes as this make one that is behind look at everything. */
const CHANGES_MAX = 3;

/** Facts that know which of them have changed. */
class LoggedFacts extends Facts {
  readonly #log = new ChangeLog<string>(CHANGES_MAX);

  override set(address: string, spans: readonly Span[]): void {
    super.set(address, spans);
    this.#log.add(address);
    this.version = this.#log.version;
  }

  changedSince(version: number, { addresses }: TableSpace['current']) {
    return this.#log.since(version)?.map((address) => addresses.find(address));
  }
}

test('a source that knows what has changed: other addresses are not looked up again', () => {
  const facts = new LoggedFacts();
  const memo = new TimedMemo();
  const space = new TableSpace();
  const names = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
  const rows = names.map((name): Row => [name, 5]);
  for (const [index, name] of names.entries()) facts.set(name, [[0, index + 1]]);
  expect(fill(memo, facts, space, rows)).toEqual([1, 2, 3]);
  facts.set('10.0.0.2', [[1, 8]]);
  expect(fill(memo, facts, space, rows)).toEqual([1, 8, 3]);
  expect(facts.finds).toBe(4);
  // One that changes all the time leaves nothing behind that grows.
  for (let fact = 1; fact < 5000; fact++) {
    facts.set('10.0.0.2', [[0, fact]]);
    expect(fill(memo, facts, space, rows)).toEqual([1, fact, 3]);
  }
  expect(facts.finds).toBeLessThan(5100);
});

test.each([
  ['all of them may', () => new Facts()],
  ['the source knows which', () => new LoggedFacts()],
])('any changes and any rows, as a search in the list of spans: %s', (_name, make) => {
  const address = fc.constantFrom('10.0.0.1', '10.0.0.2', '2001:db8::1', '10.0.0.4');
  const span = fc.tuple(
    fc.oneof(fc.constant(Number.NEGATIVE_INFINITY), fc.integer({ min: 0, max: 20 })),
    fc.nat(3),
  );
  const change = fc.tuple(address, fc.array(span, { maxLength: 5 }));
  const rows = fc.array(fc.tuple(address, fc.integer({ min: -5, max: 25 })), { maxLength: 20 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.array(change), rows), { maxLength: 6 }), (steps) => {
      const facts = make();
      const memo = new TimedMemo();
      const space = new TableSpace();
      for (const [changes, asked] of steps) {
        for (const [changed, spans] of changes) {
          facts.set(
            changed,
            spans.toSorted(([a], [b]) => a - b),
          );
        }
        const expected = asked.map(([name, timeMs]) => facts.at(name, timeMs));
        expect(fill(memo, facts, space, asked)).toEqual(expected);
      }
    }),
  );
});
