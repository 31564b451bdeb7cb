import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cidrContains,
  formatAddress,
  isMappedV4,
  parseAddress,
  parseCidr,
} from '../../../../../src/base/ip.ts';
import { SubnetTrie } from '../../../../../src/pipeline/transform/network/subnet-trie.ts';

// Only a few distinct bits, so that prefixes nest and addresses match them.
const address = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.constantFrom(0, 1, 0x80, 0xff), { minLength: 16, maxLength: 16 }),
  )
  .map(([v4, bytes]) => {
    const address = Uint8Array.from(bytes);
    if (v4) address.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    return address;
  });
const cidr = fc.tuple(address, fc.integer({ min: 0, max: 128 })).map(([bytes, length]) => {
  const width = isMappedV4(bytes) ? 32 : 128;
  return parseCidr(`${formatAddress(bytes)}/${length % (width + 1)}`)!;
});

test('an IPv4 address is in no network of IPv6', () => {
  const trie = new SubnetTrie();
  trie.insert(parseCidr('::/0')!, 1);

  expect(trie.longest(parseAddress('10.0.0.1')!, 0)).toBe(0);
  expect(trie.longest(parseAddress('fd00::1')!, 0)).toBe(1);
});

test('finds the longest prefix that holds an address, the first of equal ones', () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 20 }), address, (prefixes, wanted) => {
      const trie = new SubnetTrie();
      for (const [index, prefix] of prefixes.entries()) trie.insert(prefix, index + 1);
      let best = 0;
      for (const [index, prefix] of prefixes.entries()) {
        if (!cidrContains(prefix, wanted)) continue;
        if (best === 0 || prefix.prefix > prefixes[best - 1]!.prefix) best = index + 1;
      }
      expect(trie.longest(wanted, 0)).toBe(best);
    }),
  );
});
