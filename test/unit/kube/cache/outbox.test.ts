import { describe, expect, test } from 'vitest';
import type { CatalogueItem, Change } from '../../../../src/kube/cache/catalogue.ts';
import { batchesOf, Outbox } from '../../../../src/kube/cache/outbox.ts';
import { OPERATION } from '../../../../src/kube/cache/protocol.ts';

const { add, update, delete: gone } = OPERATION;
const NOTHING = new Uint8Array(0);

function item(uid: string, bytes = 1): CatalogueItem {
  const entry = { head: new Uint8Array(bytes), rest: NOTHING };
  return { uid, kind: 'Pod', entry, controller: undefined, owner: NOTHING };
}

function change(uid: string, operation: number, bytes = 1): Change {
  return { operation, item: item(uid, bytes) };
}

const LIMITS = { entriesMax: 3, bytesMax: 10 };

function drained(outbox: Outbox): readonly (readonly [number, string])[] {
  const taken: (readonly [number, string])[] = [];
  while (outbox.size > 0) {
    const { operation, items } = outbox.take(LIMITS);
    taken.push([operation, items.map(({ uid }) => uid).join('')]);
  }
  return taken;
}

describe('changes', () => {
  test('in order, with those of the same operation in one message', () => {
    const outbox = new Outbox(10);
    for (const uid of ['a', 'b', 'c', 'd']) outbox.add(change(uid, add));
    outbox.add(change('x', gone));
    outbox.add(change('e', add));
    expect(drained(outbox)).toEqual([
      [add, 'abc'],
      [add, 'd'],
      [gone, 'x'],
      [add, 'e'],
    ]);
  });

  test('the last change of an object, at its time', () => {
    const outbox = new Outbox(10);
    outbox.add(change('a', update));
    outbox.add(change('b', add));
    outbox.add(change('a', gone));
    outbox.add(change('b', update));
    expect(drained(outbox)).toEqual([
      [gone, 'a'],
      [add, 'b'],
    ]);
  });

  test('a message is not larger than its bound, unless one object is', () => {
    const outbox = new Outbox(10);
    for (const [uid, bytes] of [
      ['a', 6],
      ['b', 4],
      ['c', 1],
      ['d', 50],
      ['e', 1],
    ] as const) {
      outbox.add(change(uid, add, bytes));
    }
    expect(drained(outbox).map(([, uids]) => uids)).toEqual(['ab', 'c', 'd', 'e']);
  });

  test('too many are dropped, until a snapshot is taken', () => {
    const outbox = new Outbox(2);
    outbox.add(change('a', add));
    outbox.add(change('b', add));
    outbox.add(change('b', update));
    expect([outbox.size, outbox.isOverflown]).toEqual([2, false]);
    outbox.add(change('c', add));
    outbox.add(change('d', add));
    expect([outbox.size, outbox.isOverflown]).toEqual([0, true]);
    outbox.clear();
    outbox.add(change('e', add));
    expect([outbox.size, outbox.isOverflown]).toEqual([1, false]);
  });

  test('news wake the one who waits', async () => {
    const outbox = new Outbox(1);
    const { signal } = new AbortController();
    const woken = outbox.news(signal);
    outbox.add(change('a', add));
    await woken;
    await outbox.news(signal);
    await outbox.news(AbortSignal.abort());
    outbox.clear();
    await outbox.news(AbortSignal.abort());
    expect(outbox.size).toBe(0);
  });
});

test.each([
  ['none', [], ['']],
  ['as many as fit', [1, 1, 1], ['012']],
  ['one more', [1, 1, 1, 1], ['012', '3']],
  ['large ones', [6, 6, 50, 1], ['0', '1', '2', '3']],
])('objects of a snapshot: %s', (_why, sizes, wanted) => {
  const items = sizes.map((bytes, index) => item(String(index), bytes));
  const batches = [...batchesOf(items, LIMITS)];
  expect(batches.map((batch) => batch.map(({ uid }) => uid).join(''))).toEqual(wanted);
});
