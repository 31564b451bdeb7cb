import { finish32, mix32 } from '../../base/hash.ts';
import { flowKey } from '../drain/layout.gen.ts';

const KEY_WORDS = flowKey.sizeBytes >> 2;
const ADDRESS_WORDS = 4;
const PORTS = flowKey.srcPort >> 2;
const PROTOCOL = flowKey.protocol >> 2;
const HALF = 16;
const LOW_HALF = 0xffff;

/** Slots in which a conversation may be: the one that was not heard of for longest makes room. */
const WAYS = 8;

/** What was seen of a conversation; the bits of its lower end, shifted by one for the upper. */
export const Seen = { fin: 1, reset: 4, opened: 8 } as const;

/**
 * Conversations by the key of either of their flows, for what one drain has to know of those
 * before it. A fixed number of slots in sets of eight: memory is bounded, a look-up touches one
 * run of tags, and nothing is an object.
 *
 * A flow's place is twice its conversation's slot, plus 1 when its source is the upper end: the one
 * with the larger address, or port. The other direction's place is `place ^ 1`.
 */
export class ConnectionTable {
  readonly capacity: number;
  /** By slot. `Seen`. */
  readonly states: Uint8Array;
  /** By slot: number of the drain that had a flow of it last. */
  readonly lastDrains: Uint32Array;
  /** By place: when the first flow from this end began, nanoseconds; 0: none did. */
  readonly starts: Float64Array;
  /** By place: a number that its user knows; 0: none. */
  readonly owners: Uint32Array;
  readonly #tags: Uint32Array;
  readonly #keys: Uint32Array;
  readonly #sets: number;
  readonly #scratch = new Uint32Array(KEY_WORDS);
  #forgotten = 0;

  /** `capacity`: a power of two, at least 8. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#sets = capacity / WAYS;
    this.#tags = new Uint32Array(capacity);
    this.#keys = new Uint32Array(capacity * KEY_WORDS);
    this.states = new Uint8Array(capacity);
    this.lastDrains = new Uint32Array(capacity);
    this.starts = new Float64Array(capacity * 2);
    this.owners = new Uint32Array(capacity * 2);
  }

  /** Conversations that had to make room for others. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Place of the flow whose key is at `keys[at]`; its conversation is added if need be. */
  placeOf(keys: Uint32Array, at: number): number {
    const upper = this.#load(keys, at);
    const key = this.#scratch;
    let hash = 0;
    for (let word = 0; word < KEY_WORDS; word++) hash = mix32(hash, key[word]!);
    // 0 is the tag of a free slot.
    const tag = finish32(hash) || 1;
    const first = (tag & (this.#sets - 1)) * WAYS;
    const tags = this.#tags;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (tags[slot] === tag && this.#isAt(slot)) return slot * 2 + upper;
    }
    return this.#claim(first, tag) * 2 + upper;
  }

  /** Puts the lower end first. Returns 1 when that turned the key round. */
  #load(keys: Uint32Array, at: number): 0 | 1 {
    const key = this.#scratch;
    const ports = keys[at + PORTS]!;
    const upper = isSourceUpper(keys, at, ports) ? 1 : 0;
    const source = at + upper * ADDRESS_WORDS;
    const target = at + (1 - upper) * ADDRESS_WORDS;
    for (let word = 0; word < ADDRESS_WORDS; word++) {
      key[word] = keys[source + word]!;
      key[ADDRESS_WORDS + word] = keys[target + word]!;
    }
    key[PORTS] = upper === 1 ? (ports << HALF) | (ports >>> HALF) : ports;
    key[PROTOCOL] = keys[at + PROTOCOL]!;
    return upper;
  }

  #isAt(slot: number): boolean {
    const key = this.#scratch;
    const keys = this.#keys;
    const base = slot * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) {
      if (keys[base + word] !== key[word]) return false;
    }
    return true;
  }

  /** A free slot of the set, or the one that was unused for longest. */
  #claim(first: number, tag: number): number {
    let slot = first;
    for (let other = first; other < first + WAYS; other++) {
      if (this.#tags[other] === 0) {
        slot = other;
        break;
      }
      if (this.lastDrains[other]! < this.lastDrains[slot]!) slot = other;
    }
    if (this.#tags[slot] !== 0) this.#forgotten++;
    this.#tags[slot] = tag;
    this.#keys.set(this.#scratch, slot * KEY_WORDS);
    this.clear(slot);
    this.lastDrains[slot] = 0;
    return slot;
  }

  /** Another conversation between the same ends. */
  clear(slot: number): void {
    this.states[slot] = 0;
    this.starts[slot * 2] = 0;
    this.starts[slot * 2 + 1] = 0;
    this.owners[slot * 2] = 0;
    this.owners[slot * 2 + 1] = 0;
  }
}

function isSourceUpper(keys: Uint32Array, at: number, ports: number): boolean {
  for (let word = at; word < at + ADDRESS_WORDS; word++) {
    const source = keys[word]!;
    const target = keys[word + ADDRESS_WORDS]!;
    if (source !== target) return source > target;
  }
  return (ports & LOW_HALF) > ports >>> HALF;
}
