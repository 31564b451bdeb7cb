import { describe, expect, test } from 'vitest';
import { parseMacPreference } from '../../../../src/agent/interfaces/mac-preference.ts';
import { InterfaceNames } from '../../../../src/agent/interfaces/names.ts';
import { parseMac } from '../../../../src/base/ip.ts';
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

test('one that came back under its own name is not forgotten either', () => {
  const names = new InterfaceNames();
  const text = texts(names);
  for (let round = 0; round < 2; round++) {
    names.set(1, 1, 'eth0');
    names.retire(1, 1);
  }
  names.set(1, 1, 'eth0');
  for (let index = 2; index <= 5000; index++) {
    names.set(1, index, `veth${index}`);
    names.retire(1, index);
  }
  expect(text(1, 1)).toBe('eth0');
  expect(names.size).toBe(4097);
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

describe('where hooks do not know their namespace', () => {
  const A = '02:00:00:00:00:0a';
  const B = '02:00:00:00:00:0b';
  const OTHER = '0a:58:0a:01:02:03';

  function setup(...preferences: readonly string[]) {
    const parsed = preferences.map(parseMacPreference).filter((one) => typeof one !== 'string');
    const names = new InterfaceNames({ exact: false, preferences: parsed });
    const { current } = new TableSpace();
    const text = (index: number, mac: string): string => {
      const view = new DataView(parseMac(mac)!.buffer);
      const id = names.idByMac(index, view.getUint32(0, true), view.getUint32(4, true), current);
      return current.strings.text(id);
    };
    return { names, text };
  }

  test('one interface of a number needs no MAC', () => {
    const { names, text } = setup('0a:58=eth9');
    names.set(100, 2, 'eth0', A);
    expect([text(2, A), text(2, OTHER), text(3, A)]).toEqual(['eth0', 'eth0', 'unknown']);
  });

  test('several: the MAC first, then the preference, then any', () => {
    const { names, text } = setup('0a:58=net1', '0a=lost', '02:00:00:00:00:0b=eth0');
    names.set(100, 2, 'eth0', A);
    names.set(200, 2, 'net1', B);
    expect([text(2, A), text(2, B)]).toEqual(['eth0', 'net1']);
    expect(text(2, OTHER)).toBe('net1');
    // The prefix fits but the interface does not exist; no prefix fits.
    expect([text(2, '0a:00:00:00:00:01'), text(2, 'ee:00:00:00:00:01')]).toEqual(['eth0', 'eth0']);
  });

  test('a device without a link layer is that of the flows without MACs', () => {
    const { names, text } = setup();
    names.set(100, 2, 'eth0', A);
    names.set(200, 2, 'tun0', '');
    expect(text(2, '00:00:00:00:00:00')).toBe('tun0');
  });

  test('changes are followed, and those that are there come before those that are gone', () => {
    const { names, text } = setup();
    names.set(100, 2, 'eth0', A);
    names.set(200, 2, 'net1', B);
    names.set(200, 2, 'net2', OTHER);
    expect([text(2, OTHER), text(2, B)]).toEqual(['net2', 'eth0']);
    names.retire(100, 2);
    expect([text(2, A), text(2, B)]).toEqual(['eth0', 'net2']);
    for (let index = 10; index < 5000; index++) {
      names.set(300, index, 'veth', '');
      names.retire(300, index);
    }
    expect([text(2, A), text(10, A)]).toEqual(['net2', 'unknown']);
  });
});
