import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cidrContains,
  formatAddress,
  formatMac,
  isMappedV4,
  parseAddress,
  parseCidr,
  parseMac,
} from '../../../src/base/ip.ts';

const v4 = fc.ipV4();
const v6 = fc.ipV6();
const anyAddress = fc.oneof(v4, v6);

/** Texts similar enough to addresses to reach every branch of the parser. */
const nearlyAddress = fc
  .array(
    fc.oneof(
      fc.constantFrom(':', '::', '.', '0', '00', '1.2.3.4', 'ffff', '255', '256', 'g', '/'),
      fc.integer({ min: 0, max: 70_000 }).map((number) => number.toString(16)),
    ),
    { maxLength: 18 },
  )
  .map((parts) => parts.join(''));

describe('addresses', () => {
  test('what is an address is what node:net says is one', () => {
    fc.assert(
      fc.property(fc.oneof(anyAddress, nearlyAddress), (text) => {
        expect(parseAddress(text) !== undefined).toBe(isIP(text) !== 0);
      }),
      { numRuns: 3000 },
    );
  });

  test('text is that of the URL standard, which is that of RFC 5952', () => {
    fc.assert(
      fc.property(v6, (text) => {
        const bytes = parseAddress(text)!;
        fc.pre(!isMappedV4(bytes));
        expect(`[${formatAddress(bytes)}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
      { numRuns: 1000 },
    );
  });

  test('bytes survive text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        expect(parseAddress(formatAddress(bytes))).toEqual(Uint8Array.from(bytes));
      }),
    );
  });

  // RFC 5952, section 4 and 5.
  test.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::AAAA', '2001:db8::aaaa'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['192.0.2.1', '192.0.2.1'],
  ])('%s is written %s', (text, wanted) => {
    expect(formatAddress(parseAddress(text)!)).toBe(wanted);
  });

  test.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '010.1.1.1',
    '1.2.3.256',
    ':',
    ':::',
    '1::2::3',
    'fe80::1%eth0',
  ])('%j is not an address', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('networks', () => {
  test.each([
    ['IPv4', v4, 'ipv4', 32],
    ['IPv6', v6, 'ipv6', 128],
  ] as const)(
    '%s: an address is in a network when node:net says so',
    (_name, address, family, width) => {
      fc.assert(
        fc.property(
          address,
          address,
          fc.integer({ min: 0, max: width }),
          (network, other, bits) => {
            const isMapped = (text: string): boolean => isMappedV4(parseAddress(text)!);
            // node:net treats mapped addresses as IPv4 ones, whichever family is requested.
            fc.pre(family === 'ipv4' || !(isMapped(network) || isMapped(other)));
            const list = new BlockList();
            list.addSubnet(network, bits, family);
            const cidr = parseCidr(`${network}/${bits}`)!;
            expect(cidrContains(cidr, parseAddress(other)!)).toBe(list.check(other, family));
            expect(cidrContains(cidr, parseAddress(network)!)).toBe(true);
          },
        ),
        { numRuns: 1000 },
      );
    },
  );

  test('an address next to the border of a network is on its own side', () => {
    fc.assert(
      fc.property(v4, fc.integer({ min: 0, max: 31 }), (network, bits) => {
        const cidr = parseCidr(`${network}/${bits}`)!;
        const flipped = parseAddress(network)!;
        const lastInside = 96 + bits;
        flipped[lastInside >>> 3]! ^= 0x80 >>> (lastInside & 7);
        expect(cidrContains(cidr, flipped)).toBe(true);
        if (bits === 0) return;
        flipped[(lastInside - 1) >>> 3]! ^= 0x80 >>> ((lastInside - 1) & 7);
        expect(cidrContains(cidr, flipped)).toBe(false);
      }),
    );
  });

  // Text of a network, an address, and whether the network contains it.
  test.each([
    ['::/0', '10.0.0.1', false],
    ['::/80', '10.0.0.1', false],
    ['::fffe:0:0/95', '10.0.0.1', false],
    ['::/0', 'fd00::1', true],
    ['::/0', '::1', true],
    ['::/80', '::fffe:0:1', true],
    ['::ffff:0:0/96', '10.0.0.1', true],
    ['::ffff:10.0.0.0/104', '10.0.0.1', true],
    ['0.0.0.0/0', '10.0.0.1', true],
    ['0.0.0.0/0', 'fd00::1', false],
    ['0.0.0.0/0', '::', false],
  ])('families are apart: %s, %s: %s', (network, address, isIn) => {
    expect(cidrContains(parseCidr(network)!, parseAddress(address)!)).toBe(isIn);
  });

  test('host bits are cleared and a bare address is a network of one', () => {
    expect(formatAddress(parseCidr('10.1.2.3/8')!.bytes)).toBe('10.0.0.0');
    expect(parseCidr('10.1.2.3')).toEqual({ bytes: parseAddress('10.1.2.3'), prefix: 128 });
    expect(parseCidr('fd00::1')!.prefix).toBe(128);
    expect(parseCidr('::ffff:10.0.0.0/104')!.prefix).toBe(104);
  });

  test.each([
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '/8',
    'x/8',
    '10.0.0.0/8/8',
  ])('%j is no network', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('MAC addresses', () => {
  test('bytes survive text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (six) => {
        const text = Buffer.from(six).toString('hex').match(/../g)!.join(':');
        const bytes = parseMac(text)!;
        expect([...bytes]).toEqual([...six, 0, 0]);
        const view = new DataView(bytes.buffer);
        expect(formatMac(view.getUint32(0, true), view.getUint32(4, true))).toBe(text);
      }),
    );
  });

  test('capitals are read and small letters written', () => {
    const view = new DataView(parseMac('AA:BB:CC:DD:EE:0F')!.buffer);
    expect(formatMac(view.getUint32(0, true), view.getUint32(4, true))).toBe('aa:bb:cc:dd:ee:0f');
  });

  test.each([
    '',
    'aa:bb:cc:dd:ee',
    'aa:bb:cc:dd:ee:ff:00',
    'aa-bb-cc-dd-ee-ff',
    'gg:bb:cc:dd:ee:ff',
  ])('%j is no MAC address', (text) => {
    expect(parseMac(text)).toBeUndefined();
  });
});
