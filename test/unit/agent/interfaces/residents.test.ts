import { expect, test } from 'vitest';
import {
  chooseResidents,
  InterfaceRooms,
  RESIDENTS_MAX,
  ROOT,
  USER_INTERFACES_MAX,
  USER_RESIDENTS_MAX,
} from '../../../../src/agent/interfaces/residents.ts';

/** This many namespaces of each user, with inodes and processes counted up from 1. */
function houses(counts: readonly (readonly [user: number | undefined, count: number])[]) {
  const residents = new Map<number, number>();
  const owners = new Map<number, number>();
  for (const [user, count] of counts) {
    for (let left = count; left > 0; left--) {
      const inode = residents.size + 1;
      residents.set(inode, inode);
      if (user !== undefined) owners.set(inode, user);
    }
  }
  return { residents, owners, named: new Set<number>() };
}

test('root has all the room that there is', () => {
  const { residents, leftOut } = chooseResidents(houses([[ROOT, RESIDENTS_MAX + 5]]));
  expect(residents.size).toBe(RESIDENTS_MAX);
  expect(leftOut).toEqual(new Map([[ROOT, 5]]));
});

test('many users share the room, and each has some', () => {
  const users = Array.from({ length: 9 }, (_, at) => [at + 1, 300] as const);
  const { residents, leftOut } = chooseResidents(houses([...users, [ROOT, 3]]));
  expect(residents.size).toBe(RESIDENTS_MAX);
  // The last three belong to root.
  expect([...residents.keys()].filter((inode) => inode > 9 * 300)).toHaveLength(3);
  for (const [user] of users) expect(300 - leftOut.get(user)!).toBeGreaterThanOrEqual(113);
});

test('users who are not known are one', () => {
  const { leftOut } = chooseResidents(houses([[undefined, USER_RESIDENTS_MAX + 2]]));
  expect([...leftOut.values()]).toEqual([2]);
});

test('what has a name takes no room', () => {
  const all = houses([[1, USER_RESIDENTS_MAX + 2]]);
  const chosen = chooseResidents({ ...all, named: new Set([1, 2]) });
  expect(chosen.leftOut.size).toBe(0);
  expect(chosen.residents.size).toBe(USER_RESIDENTS_MAX + 2);
});

test('a user’s namespaces share the room for interfaces, and get it back', () => {
  const rooms = new InterfaceRooms();
  const [here, there, other] = [rooms.of(7), rooms.of(7), rooms.of(8)];
  for (let count = 0; count < USER_INTERFACES_MAX; count++) expect(here.take()).toBe(true);
  expect([there.take(), other.take(), rooms.of(ROOT).take()]).toEqual([false, true, true]);
  here.give();
  expect([there.take(), here.take()]).toEqual([true, false]);
});
