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

/** What was seen of a conversation; of the upper end, bits are one place higher. */
export const Seen = { fin: 1, reset: 4, opened: 8, spoke: 32 } as const;

/** Words of a slot: a cache line, of which the key takes the first ten. */
export const SLOT_WORDS = 16;
/** `Seen`. */
export const STATE = 10;
/** Number of the drain that had a flow of it last. */
export const LAST_DRAIN = 11;
/** When the first flow of it began: nanoseconds, a double. */
export const FIRST_START = 12;
/** Of the lower end, then of the upper: a number that its user knows; 0: none. */
export const OWNERS = 14;

/**
 * Conversations by the key of either of their flows, for what one drain has to know of those
 * before it. A fixed number of slots in sets of eight: memory is bounded, a look-up touches one
 * run of tags and one slot, and nothing is an object.
 *
 * A flow's place is twice its conversation's slot, plus 1 when its source is the upper end: the one
 * with the larger address, or port. The other direction's place is `place ^ 1`.
 */
export class ConnectionTable {
  readonly capacity: number;
  readonly words: Uint32Array;
  /** The same as `words`, in doubles. */
  readonly doubles: Float64Array;
  /** Sum of what `touch` has read: one that nobody could see might not be made. */
  touched = 0;
  readonly #tags: Uint32Array;
  readonly #sets: number;
  readonly #scratch = new Uint32Array(KEY_WORDS);
  #forgotten = 0;

  /** `capacity`: a power of two, at least 8. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#sets = capacity / WAYS;
    this.#tags = new Uint32Array(capacity);
    this.words = new Uint32Array(capacity * SLOT_WORDS);
    this.doubles = new Float64Array(this.words.buffer);
  }

  /** Conversations that had to make room for others. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** Which tag the conversation of the flow at `keys[at]` has; never 0, that of a free slot. */
  tagOf(keys: Uint32Array, at: number): number {
    this.#load(keys, at);
    const key = this.#scratch;
    let hash = 0;
    for (let word = 0; word < KEY_WORDS; word++) hash = mix32(hash, key[word]!);
    return finish32(hash) || 1;
  }

  /**
   * Reads what `placeOf` will, for `count` tags; 0: none. A large table is not in the cache, and
   * these reads wait for memory together, where those of one look-up after the other wait in turn.
   */
  touch(wanted: Uint32Array, count: number): void {
    const { words } = this;
    const tags = this.#tags;
    const last = this.#sets - 1;
    let sum = 0;
    for (let i = 0; i < count; i++) sum += tags[(wanted[i]! & last) * WAYS]!;
    for (let i = 0; i < count; i++) {
      const tag = wanted[i]!;
      const first = (tag & last) * WAYS;
      for (let slot = first; slot < first + WAYS; slot++) {
        if (tags[slot] === tag) sum += words[slot * SLOT_WORDS]!;
      }
    }
    this.touched = sum;
  }

  /** Place of the flow of that key and tag; its conversation is added if need be. */
  placeOf(keys: Uint32Array, at: number, tag: number): number {
    const upper = this.#load(keys, at);
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
    const words = this.words;
    const base = slot * SLOT_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) {
      if (words[base + word] !== key[word]) return false;
    }
    return true;
  }

  /** A free slot of the set, or the one that was unused for longest. */
  #claim(first: number, tag: number): number {
    const tags = this.#tags;
    let slot = first;
    for (let other = first; other < first + WAYS; other++) {
      if (tags[other] === 0) {
        slot = other;
        break;
      }
      if (this.#lastDrainOf(other) < this.#lastDrainOf(slot)) slot = other;
    }
    if (tags[slot] !== 0) this.#forgotten++;
    tags[slot] = tag;
    this.words.set(this.#scratch, slot * SLOT_WORDS);
    this.clear(slot);
    return slot;
  }

  #lastDrainOf(slot: number): number {
    return this.words[slot * SLOT_WORDS + LAST_DRAIN]!;
  }

  /** Another conversation between the same ends. */
  clear(slot: number): void {
    this.words.fill(0, slot * SLOT_WORDS + KEY_WORDS, (slot + 1) * SLOT_WORDS);
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
