import { finish32 } from '../../base/hash.ts';
import { flowKey } from '../drain/layout.gen.ts';

const KEY_WORDS = flowKey.sizeBytes >> 2;
const ADDRESS_WORDS = 4;
const PORTS = flowKey.srcPort >> 2;
const PROTOCOL = flowKey.protocol >> 2;
const HALF = 16;
const LOW_HALF = 0xffff;

/** Slots that a conversation may use: the one idle for longest makes room. */
const WAYS = 8;

/** Observations of a conversation; the bits of the upper end are one place higher. */
export const Seen = { fin: 1, reset: 4, opened: 8, spoke: 32 } as const;

/** Words of a slot: a cache line; the key takes the first ten. */
export const SLOT_WORDS = 16;
/** `Seen`. */
export const STATE = 10;
/** Number of the last drain that had a flow of the conversation. */
export const LAST_DRAIN = 11;
/** Start of the conversation's first flow: nanoseconds, a double. */
export const FIRST_START = 12;
/** A number that the table's user defines, for the lower end, then for the upper one; 0: none. */
export const OWNERS = 14;

/**
 * Conversations by the key of either of their flows: the memory of earlier drains. It has a fixed
 * number of slots in sets of eight: memory is bounded, a look-up touches one run of tags and one
 * slot, and nothing is an object.
 *
 * A flow's place is twice its conversation's slot, plus 1 when its source is the upper end: the one
 * with the larger address, or port. The other direction's place is `place ^ 1`.
 */
export class ConnectionTable {
  readonly capacity: number;
  readonly words: Uint32Array;
  /** The same as `words`, in doubles. */
  readonly doubles: Float64Array;
  /** Sum of what `seek` has read; without a visible result the reads might be optimized away. */
  read = 0;
  readonly #tags: Uint32Array;
  readonly #sets: number;
  #forgotten = 0;

  /** `capacity`: a power of two, at least 8. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#sets = capacity / WAYS;
    this.#tags = new Uint32Array(capacity);
    this.words = new Uint32Array(capacity * SLOT_WORDS);
    this.doubles = new Float64Array(this.words.buffer);
  }

  /** Conversations that made room for others. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** The tag of the conversation of the flow at `keys[at]`; never 0, the tag of a free slot. */
  tagOf(keys: Uint32Array, at: number): number {
    const ports = keys[at + PORTS]!;
    // The result does not depend on the order of the ends.
    const ends =
      hashEnd(keys, at, ports & LOW_HALF) + hashEnd(keys, at + ADDRESS_WORDS, ports >>> HALF);
    return finish32(ends + keys[at + PROTOCOL]!) || 1;
  }

  /**
   * Finds the slots with the tags of `count` flows from `first` on; -1: none. A large table is not
   * in the cache: these reads wait for memory together, whereas successive calls of `placeOf` would
   * wait one by one. `count` is limited by what fits in the cache.
   */
  seek(wanted: Uint32Array, first: number, count: number, slots: Int32Array): void {
    const { words } = this;
    const tags = this.#tags;
    const last = this.#sets - 1;
    const end = first + count;
    let sum = 0;
    for (let i = first; i < end; i++) sum += tags[(wanted[i]! & last) * WAYS]!;
    for (let i = first; i < end; i++) {
      const tag = wanted[i]!;
      const set = (tag & last) * WAYS;
      let found = -1;
      for (let slot = set; slot < set + WAYS; slot++) {
        if (tags[slot] !== tag) continue;
        found = slot;
        sum += words[slot * SLOT_WORDS]!;
        break;
      }
      slots[i] = found;
    }
    this.read = sum;
  }

  /**
   * Place of the flow with that key and tag; its conversation is added if it is missing. `slot`:
   * where to look first, or -1.
   */
  placeOf(keys: Uint32Array, at: number, tag: number, slot = -1): number {
    const upper = isSourceUpper(keys, at) ? 1 : 0;
    if (slot >= 0 && isAt(this.words, slot * SLOT_WORDS, keys, at, upper)) return slot * 2 + upper;
    return this.#slotOf(keys, at, tag, upper) * 2 + upper;
  }

  #slotOf(keys: Uint32Array, at: number, tag: number, upper: number): number {
    const first = (tag & (this.#sets - 1)) * WAYS;
    const tags = this.#tags;
    for (let slot = first; slot < first + WAYS; slot++) {
      if (tags[slot] === tag && isAt(this.words, slot * SLOT_WORDS, keys, at, upper)) return slot;
    }
    const slot = this.#claim(first);
    tags[slot] = tag;
    store(this.words, slot * SLOT_WORDS, keys, at, upper);
    this.clear(slot);
    return slot;
  }

  /** A free slot of the set, or the least recently used one. */
  #claim(first: number): number {
    const tags = this.#tags;
    let slot = first;
    for (let other = first; other < first + WAYS; other++) {
      if (tags[other] === 0) return other;
      if (this.#lastDrainOf(other) < this.#lastDrainOf(slot)) slot = other;
    }
    this.#forgotten++;
    return slot;
  }

  #lastDrainOf(slot: number): number {
    return this.words[slot * SLOT_WORDS + LAST_DRAIN]!;
  }

  /** Prepares the slot for another conversation between the same ends. */
  clear(slot: number): void {
    this.words.fill(0, slot * SLOT_WORDS + KEY_WORDS, (slot + 1) * SLOT_WORDS);
  }
}

/** Each word is multiplied separately, so that the words do not wait for one another. */
function hashEnd(keys: Uint32Array, at: number, port: number): number {
  return finish32(
    Math.imul(keys[at]!, 0x9e3779b1) +
      Math.imul(keys[at + 1]!, 0x85ebca77) +
      Math.imul(keys[at + 2]!, 0xc2b2ae3d) +
      Math.imul(keys[at + 3]!, 0x27d4eb2f) +
      Math.imul(port, 0x165667b1),
  );
}

function isSourceUpper(keys: Uint32Array, at: number): boolean {
  for (let word = at; word < at + ADDRESS_WORDS; word++) {
    const source = keys[word]!;
    const target = keys[word + ADDRESS_WORDS]!;
    if (source !== target) return source > target;
  }
  const ports = keys[at + PORTS]!;
  return (ports & LOW_HALF) > ports >>> HALF;
}

/** Ports with the lower end's in the low half. */
function portsOf(keys: Uint32Array, at: number, upper: number): number {
  const ports = keys[at + PORTS]!;
  return upper === 1 ? ((ports << HALF) | (ports >>> HALF)) >>> 0 : ports;
}

/** Whether the slot at `words[base]` is the flow's. */
function isAt(
  words: Uint32Array,
  base: number,
  keys: Uint32Array,
  at: number,
  upper: number,
): boolean {
  const lower = at + upper * ADDRESS_WORDS;
  const higher = at + (1 - upper) * ADDRESS_WORDS;
  let differences = words[base + PORTS]! ^ portsOf(keys, at, upper);
  differences |= words[base + PROTOCOL]! ^ keys[at + PROTOCOL]!;
  for (let word = 0; word < ADDRESS_WORDS; word++) {
    differences |= words[base + word]! ^ keys[lower + word]!;
    differences |= words[base + ADDRESS_WORDS + word]! ^ keys[higher + word]!;
  }
  return differences === 0;
}

/** Writes the flow's key, the lower end first. */
function store(
  words: Uint32Array,
  base: number,
  keys: Uint32Array,
  at: number,
  upper: number,
): void {
  const lower = at + upper * ADDRESS_WORDS;
  const higher = at + (1 - upper) * ADDRESS_WORDS;
  for (let word = 0; word < ADDRESS_WORDS; word++) {
    words[base + word] = keys[lower + word]!;
    words[base + ADDRESS_WORDS + word] = keys[higher + word]!;
  }
  words[base + PORTS] = portsOf(keys, at, upper);
  words[base + PROTOCOL] = keys[at + PROTOCOL]!;
}
