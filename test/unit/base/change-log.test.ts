import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChangeLog } from '../../../src/base/change-log.ts';

test('the changes since a version, or everything if they are too many', () => {
  const log = new ChangeLog<string>(4);
  const start = log.version;
  expect(log.since(start)).toEqual([]);
  log.add('a');
  const later = log.version;
  log.add('b');
  expect(log.since(start)).toEqual(['a', 'b']);
  expect(log.since(later)).toEqual(['b']);
  for (const change of ['c', 'd', 'e']) log.add(change);
  expect(log.since(start)).toBeUndefined();
  expect(log.since(log.version - 1)).toEqual(['e']);
  const before = log.version;
  log.addAll();
  expect(log.since(before)).toBeUndefined();
  expect(log.since(log.version)).toEqual([]);
});

test('no change is left out, whatever the bound', () => {
  const change = fc.option(fc.nat(9), { nil: 'all' as const });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(change), fc.nat(20), (max, all, at) => {
      const log = new ChangeLog<number>(max);
      let version = log.version;
      for (const [index, one] of all.entries()) {
        if (index === at) version = log.version;
        if (one === 'all') log.addAll();
        else log.add(one);
      }
      const since = all.slice(at < all.length ? at : 0);
      const got = log.since(version);
      if (got !== undefined) expect(got).toEqual(since);
      else expect(since.length > max / 2 || since.includes('all')).toBe(true);
    }),
  );
});
