import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatAddress, parseAddress } from '../../../src/base/ip.ts';
import {
  AddressTable,
  type InternTable,
  type InternTables,
  MacTable,
  MISSING,
  StringTable,
  TableSpace,
} from '../../../src/flow/intern.ts';

const address = fc
  .oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.integer({ min: 0, max: 60 }).map((last) => `10.0.0.${last}`),
  )
  .map((text) => formatAddress(parseAddress(text)!));
const mac = fc
  .uint8Array({ minLength: 6, maxLength: 6 })
  .map((bytes) => Buffer.from(bytes).toString('hex').match(/../g)!.join(':'));

describe.each([
  ['strings', () => new StringTable(), fc.string({ maxLength: 4 })],
  ['addresses', () => new AddressTable(), address],
  ['MACs', () => new MacTable(), mac],
] as const)('%s', (_name, create: () => InternTable, value: fc.Arbitrary<string>) => {
  test('equal values have equal ids, which are dense and give the value back', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 300 }), (texts) => {
        const table = create();
        const ids = new Map<string, number>();
        for (const text of texts) {
          expect(table.find(text)).toBe(ids.get(text) ?? MISSING);
          if (!ids.has(text)) ids.set(text, ids.size + 1);
          expect(table.internText(text)).toBe(ids.get(text));
        }
        expect(table.size).toBe(ids.size);
        for (const [text, id] of ids) {
          expect(table.find(text)).toBe(id);
          expect(table.text(id)).toBe(text);
        }
      }),
    );
  });

  test('no id, and an id that was never given, have no text', () => {
    expect(create().text(MISSING)).toBe('');
    expect(create().text(7)).toBe('');
  });
});

test('the empty string is a value', () => {
  const strings = new StringTable();
  expect(strings.intern('')).not.toBe(MISSING);
});

test('text that is not an address or MAC is not interned', () => {
  const addresses = new AddressTable();
  const macs = new MacTable();
  expect([addresses.internText('10.0.0'), macs.internText('aa:bb')]).toEqual([MISSING, MISSING]);
  expect([addresses.size, macs.size]).toEqual([0, 0]);
  expect([addresses.find('x'), macs.find('x')]).toEqual([MISSING, MISSING]);
});

test('many addresses keep their ids while the table grows', () => {
  const addresses = new AddressTable();
  const words = new Uint32Array(8);
  const count = 20_000;
  for (let i = 1; i <= count; i++) {
    words.set([0x20010db8, i & 7, i >>> 3, i], 4);
    expect(addresses.internWords(words, 4)).toBe(i);
  }
  for (let i = 1; i <= count; i++) {
    words.set([0x20010db8, i & 7, i >>> 3, i], 0);
    expect(addresses.internWords(words, 0)).toBe(i);
  }
});

test('an address is the same from words and from text, in either form of IPv4', () => {
  const addresses = new AddressTable();
  const bytes = parseAddress('192.0.2.7')!;
  const id = addresses.internWords(new Uint32Array(bytes.buffer), 0);
  expect(addresses.internText('192.0.2.7')).toBe(id);
  expect(addresses.internText('::ffff:192.0.2.7')).toBe(id);
  expect(addresses.isV4(id)).toBe(true);
  expect(addresses.isV4(addresses.internText('2001:db8::7'))).toBe(false);
  const copied = new Uint8Array(20);
  addresses.copyTo(id, copied, 2);
  expect(copied.subarray(2, 18)).toEqual(bytes);
  expect([0, 1, 2, 3].map((i) => addresses.word(id, i))).toEqual([
    ...new Uint32Array(bytes.buffer),
  ]);
});

test('what is above the 48 bits of a MAC makes no difference', () => {
  const macs = new MacTable();
  expect(macs.intern(1, 0xffff0002)).toBe(macs.intern(1, 2));
});

describe('generations', () => {
  test('a full one is left behind and survivors take what they need along', () => {
    const space = new TableSpace(3);
    const first = space.current;
    let kept = first.addresses.internText('10.0.0.1');
    first.strings.intern('eth0');
    const seen: InternTables[] = [];
    const registration = space.register({
      reintern(from, to) {
        seen.push(from, to);
        kept = to.addresses.internText(from.addresses.text(kept));
      },
    });
    expect(space.rotateIfFull()).toBe(false);

    first.macs.internText('aa:bb:cc:dd:ee:ff');
    expect(space.rotateIfFull()).toBe(true);
    const second = space.current;
    expect(seen).toEqual([first, second]);
    expect(second.generation).toBe(first.generation + 1);
    expect(space.rebuilds).toBe(1);
    expect(second.addresses.text(kept)).toBe('10.0.0.1');
    expect(second.strings.find('eth0')).toBe(MISSING);
    // Batches that still hold the old generation can still read it.
    expect(first.strings.text(1)).toBe('eth0');

    registration[Symbol.dispose]();
    for (const text of ['a', 'b', 'c']) second.strings.intern(text);
    expect(space.rotateIfFull()).toBe(true);
    expect(seen).toHaveLength(2);
  });
});
