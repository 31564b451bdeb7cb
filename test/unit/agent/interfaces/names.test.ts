import { expect, test } from 'vitest';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import { TableSpace } from '../../../../src/flow/intern.ts';

function texts(names: InterfaceNames, space = new TableSpace()) {
  return (netns: number, index: number): string =>
    space.current.strings.text(names.idOf(netns, index, space.current));
}

test('equal numbers in two namespaces are two interfaces', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  names.set(1, 2, 'eth0');
  names.set(7, 2, 'net1');
  expect([text(1, 2), text(7, 2), text(1, 3)]).toEqual(['eth0', 'net1', 'unknown']);
});

test('a new name counts from then on', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  names.set(1, 2, 'eth0');
  expect(text(1, 2)).toBe('eth0');
  names.set(1, 2, 'wan');
  expect(text(1, 2)).toBe('wan');
});

test('an unknown interface that becomes known is looked up again', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  expect(text(1, 2)).toBe('unknown');
  names.set(1, 2, 'eth0');
  expect(text(1, 2)).toBe('eth0');
});

test('names of interfaces that are gone are kept, up to a bound', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  for (let index = 1; index <= 5000; index++) {
    names.set(1, index, `veth${index}`);
    names.retire(1, index);
  }
  expect(text(1, 5000)).toBe('veth5000');
  expect(text(1, 1)).toBe('unknown');
});

test('one that came back under its number is not forgotten with its past', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  names.set(1, 1, 'old');
  names.retire(1, 1);
  names.set(1, 1, 'new');
  for (let index = 2; index <= 5000; index++) {
    names.set(1, index, `veth${index}`);
    names.retire(1, index);
  }
  expect(text(1, 1)).toBe('new');
});

test('ids follow the generation of the tables', () => {
  const names = new InterfaceNames();
  names.set(1, 2, 'eth0');
  const space = new TableSpace(1);
  const text = texts(names, space);
  expect(text(1, 2)).toBe('eth0');
  expect(space.rotateIfFull()).toBe(true);
  space.current.strings.intern('something else');
  expect(text(1, 2)).toBe('eth0');
});
