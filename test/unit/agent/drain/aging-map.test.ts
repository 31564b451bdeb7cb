import { beforeEach, expect, test } from 'vitest';
import { AgingMap, NAMESPACES } from '../../../../src/agent/drain/aging-map.ts';

let map: AgingMap<string>;
const at = (value: number): Uint32Array => Uint32Array.of(value);

beforeEach(() => {
  map = new AgingMap(1, 2);
});

test('what is not used is forgotten with the second turn', () => {
  map.put(at(1), 0, 'one');
  expect(map.turn()).toBe(0);
  expect(map.find(at(1), 0)).toBe('one');
  expect(map.turn()).toBe(1);
  expect(map.find(at(1), 0)).toBeUndefined();
  expect(map.isEmpty).toBe(true);
});

test('what is used stays', () => {
  map.put(at(1), 0, 'one');
  map.put(at(2), 0, 'two');
  for (let turns = 0; turns < 5; turns++) {
    map.turn();
    expect(map.use(at(1), 0)).toBe('one');
  }
  expect(map.find(at(2), 0)).toBeUndefined();
});

test('the later value holds, also over the one of the generation before', () => {
  map.put(at(1), 0, 'one');
  map.turn();
  map.put(at(1), 0, 'another');
  expect(map.find(at(1), 0)).toBe('another');
  expect(map.use(at(1), 0)).toBe('another');
  expect(map.turn()).toBe(0);
  expect(map.find(at(1), 0)).toBe('another');
});

test('a full generation takes nothing new until it turns', () => {
  expect([1, 2, 3, 2].map((key) => map.put(at(key), 0, `${key}`))).toEqual([
    ...[true, true, false, true],
  ]);
  expect(map.find(at(3), 0)).toBeUndefined();
  map.turn();
  expect(map.put(at(3), 0, '3')).toBe(true);
  expect([1, 2, 3].map((key) => map.find(at(key), 0))).toEqual(['1', '2', '3']);
});

test('what is used and cannot be kept is told of, once', () => {
  map.put(at(1), 0, 'one');
  map.turn();
  for (const key of [2, 3]) map.put(at(key), 0, `${key}`);
  expect(map.use(at(1), 0)).toBe('one');
  expect(map.use(at(2), 0)).toBe('2');
  expect([map.takeRefused(), map.takeRefused()]).toEqual([1, 0]);
});

test('who fills it leaves something for others, until it turns', () => {
  map = new AgingMap(1, 170);
  const fill = (from: number, owner: number): number => {
    let taken = 0;
    for (let i = 0; i < 200; i++) if (map.put(at(from + i), 0, 'x', owner)) taken++;
    return taken;
  };
  // Two interfaces of namespace 5, one of namespace 6, and an unknown one.
  const [first, second, other] = [NAMESPACES + 5, 2 * NAMESPACES + 5, NAMESPACES + 6];
  expect(fill(0, first)).toBe(160);
  expect(map.put(at(0), 0, 'again', first)).toBe(true);
  expect(fill(1000, second)).toBe(5);
  expect(fill(2000, other)).toBe(5);
  expect(map.put(at(3000), 0, 'x', 3 * NAMESPACES)).toBe(false);
  map.turn();
  expect(fill(4000, other)).toBe(160);
  expect(map.put(at(3000), 0, 'x', 3 * NAMESPACES)).toBe(true);
});
