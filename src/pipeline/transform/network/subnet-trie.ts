import { type Cidr, isMappedV4, V4_PREFIX } from '../../../base/ip.ts';

const ADDRESS_BYTES = 16;
const ADDRESS_BITS = 128;
const NONE = 0;

/**
 * Prefixes of 16-byte addresses and the value of the longest one that holds an address: a binary
 * trie in flat arrays. A look-up takes one step per bit of the longest prefix; results are memoised
 * per address id, so rows do not search it.
 */
export class SubnetTrie {
  /** Children of node n are at 2n and 2n + 1; 0 is none, and the root is node 1. */
  readonly #children: number[] = [0, 0, 0, 0];
  /** Value of the prefix that ends at a node, 0 when none does. */
  readonly #values: number[] = [NONE, NONE];

  /** `value` > 0. The first of two equal prefixes stays; returns false for the second. */
  insert(cidr: Cidr, value: number): boolean {
    let node = 1;
    for (let bit = 0; bit < cidr.prefix; bit++) {
      const slot = node * 2 + bitAt(cidr.bytes, 0, bit);
      let next = this.#children[slot]!;
      if (next === 0) {
        next = this.#values.length;
        this.#values.push(NONE);
        this.#children.push(0, 0);
        this.#children[slot] = next;
      }
      node = next;
    }
    if (this.#values[node] !== NONE) return false;
    this.#values[node] = value;
    return true;
  }

  /** Value of the longest prefix of the address at `bytes[at .. at + 16]`, 0 when there is none. */
  longest(bytes: Uint8Array, at: number): number {
    let node = 1;
    // Shorter prefixes belong to the other family, see Cidr.
    const shortest = isMappedV4(bytes.subarray(at, at + ADDRESS_BYTES)) ? V4_PREFIX : 0;
    let best = shortest === 0 ? this.#values[1]! : NONE;
    for (let bit = 0; bit < ADDRESS_BITS; bit++) {
      node = this.#children[node * 2 + bitAt(bytes, at, bit)]!;
      if (node === 0) return best;
      const value = this.#values[node]!;
      if (value !== NONE && bit + 1 >= shortest) best = value;
    }
    return best;
  }
}

function bitAt(bytes: Uint8Array, at: number, bit: number): number {
  return (bytes[at + (bit >>> 3)]! >>> (7 - (bit & 7))) & 1;
}
