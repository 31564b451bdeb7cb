import { NO_NUMBER, WordTable } from '../../base/word-table.ts';

/** An owner is an interface as a number: its index times this, plus its namespace's number. */
export const NAMESPACES = 2 ** 26;
const NOBODY = 0;

/** Entries that one interface, or one namespace, may have for each free entry; see bpf/room.h. */
const SHARE_OF_INTERFACE = 16;
const SHARE_OF_NAMESPACE = 32;

/**
 * Values by key, in two generations: `turn` begins a new one and forgets the one before the last,
 * except entries that were put again. The map is bounded, cheap to empty, and keeps no list. An
 * owner that fills it leaves some room for others.
 */
export class AgingMap<Value> {
  #young: Generation<Value>;
  #old: Generation<Value>;
  readonly #key: Uint32Array;
  readonly #capacity: number;
  /** Entries of the young generation, by owner; those of namespaces have no interface. */
  readonly #owned = new Map<number, number>();
  /** Uses that could not keep an entry longer, because there was no room. */
  #refused = 0;

  /** `width`: 32-bit words of a key; `capacity`: entries of each of the two generations. */
  constructor(width: number, capacity: number) {
    this.#young = { index: new WordTable(width, capacity), values: [] };
    this.#old = { index: new WordTable(width, capacity), values: [] };
    this.#key = new Uint32Array(width);
    this.#capacity = capacity;
  }

  get isEmpty(): boolean {
    return this.#young.index.size === 0 && this.#old.index.size === 0;
  }

  /** False: the generation is full, or the owner's share of it, and nothing has changed. */
  put(words: Uint32Array, at: number, value: Value, owner = NOBODY): boolean {
    if (
      owner !== NOBODY &&
      this.#young.index.find(words, at) === NO_NUMBER &&
      !this.#takeShare(owner)
    ) {
      return false;
    }
    const number = this.#young.index.put(words, at);
    if (number === NO_NUMBER) return false;
    this.#young.values[number] = value;
    return true;
  }

  #takeShare(owner: number): boolean {
    const free = this.#capacity - this.#young.index.size;
    const namespace = owner % NAMESPACES;
    const ofInterface = this.#owned.get(owner) ?? 0;
    const ofNamespace = namespace === NOBODY ? 0 : (this.#owned.get(namespace) ?? 0);
    if (ofInterface >= free * SHARE_OF_INTERFACE || ofNamespace >= free * SHARE_OF_NAMESPACE) {
      return false;
    }
    this.#owned.set(owner, ofInterface + 1);
    if (namespace !== NOBODY) this.#owned.set(namespace, ofNamespace + 1);
    return true;
  }

  /** Searches only the generation that began last. */
  findYoung(words: Uint32Array, at: number): Value | undefined {
    const young = this.#young.index.find(words, at);
    return young !== NO_NUMBER ? this.#young.values[young] : undefined;
  }

  /** Searches only the generation before. */
  findOld(words: Uint32Array, at: number): Value | undefined {
    const old = this.#old.index.find(words, at);
    return old !== NO_NUMBER ? this.#old.values[old] : undefined;
  }

  find(words: Uint32Array, at: number): Value | undefined {
    return this.findYoung(words, at) ?? this.findOld(words, at);
  }

  /** Like `find`, but an entry found lives as long as a new one, if there is room. */
  use(words: Uint32Array, at: number): Value | undefined {
    const young = this.#young.index.find(words, at);
    if (young !== NO_NUMBER) return this.#young.values[young];
    const old = this.#old.index.find(words, at);
    if (old === NO_NUMBER) return undefined;
    const value = this.#old.values[old]!;
    if (!this.put(words, at, value)) this.#refused++;
    return value;
  }

  /** How often, since the last call, an entry in use could not be kept longer. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }

  /** Begins a new generation; returns how many entries are forgotten. */
  turn(): number {
    const gone = this.#old;
    let forgotten = 0;
    for (let number = 1; number < gone.index.end; number++) {
      gone.index.copyTo(number, this.#key, 0);
      if (this.#young.index.find(this.#key, 0) === NO_NUMBER) forgotten++;
    }
    gone.index.clear();
    gone.values.length = 0;
    this.#owned.clear();
    this.#old = this.#young;
    this.#young = gone;
    return forgotten;
  }
}

interface Generation<Value> {
  readonly index: WordTable;
  readonly values: Value[];
}
