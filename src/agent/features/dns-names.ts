import { type InternTables, MISSING } from '../../flow/intern.ts';
import { AgingMap } from '../drain/aging-map.ts';
import type { AgentMetrics } from '../metrics.ts';

const ADDRESS_WORDS = 4;

/** Addresses with a name, in each of two generations: an address in use is in the younger one. */
const NAMES_MAX = 32_768;

/**
 * An address keeps its name for at least this long, even if the answer's time to live is shorter:
 * connections begin after the answer, and load balancers answer with times of seconds.
 */
const NAME_MIN_MS = 60_000;
/** Longest time that a name stays without being used or answered again. */
const NAME_MAX_MS = 24 * 3600 * 1000;
const MS_PER_S = 1000;

/** States of an address during one drain; names are numbered from `FIRST` on. */
const NOT_LOOKED_UP = 0;
const NAMELESS = 1;
const FIRST = 2;

interface NamedAddress {
  readonly name: string;
  readonly keepMs: number;
  expiresMs: number;
}

/**
 * The name that DNS last resolved to an address. The memory is bounded: when it is full, the
 * addresses answered or used lately stay.
 *
 * A name is valid for its answer's time to live, and as long as traffic goes on that began before:
 * a connection that outlives the answer is still one to that name.
 */
export class DnsNames {
  readonly #metrics: AgentMetrics;
  readonly #byAddress = new AgingMap<NamedAddress>(ADDRESS_WORDS, NAMES_MAX);
  readonly #words = new Uint32Array(ADDRESS_WORDS);
  // Results of this drain, by address id of one generation of tables.
  #states = new Uint32Array(1024);
  readonly #nameIds: number[] = [];
  #generation = 0;
  #nowMs = 0;

  constructor(metrics: AgentMetrics) {
    this.#metrics = metrics;
  }

  /** Begins a drain, which uses one time throughout. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#forgetIds();
  }

  /** Sets the name of the address at `words[at .. at + 4]`; answers also come between drains. */
  learn(words: Uint32Array, at: number, name: string, ttlS: number, nowMs: number): void {
    if (isNobody(words, at)) return;
    const keepMs = Math.min(Math.max(ttlS * MS_PER_S, NAME_MIN_MS), NAME_MAX_MS);
    const named = { name, keepMs, expiresMs: nowMs + keepMs };
    if (this.#byAddress.put(words, at, named)) return;
    this.#turn();
    this.#byAddress.put(words, at, named);
  }

  get isEmpty(): boolean {
    return this.#byAddress.isEmpty;
  }

  /** Ids of the names of addresses; `into` may be `addresses`. */
  fill(length: number, addresses: Uint32Array, tables: InternTables, into: Uint32Array): void {
    if (tables.generation !== this.#generation) {
      this.#generation = tables.generation;
      this.#forgetIds();
    }
    for (let row = 0; row < length; row++) {
      const id = addresses[row]!;
      let state = id < this.#states.length ? this.#states[id]! : NOT_LOOKED_UP;
      if (state === NOT_LOOKED_UP) state = this.#lookUp(id, tables);
      into[row] = state >= FIRST ? this.#nameIds[state - FIRST]! : MISSING;
    }
  }

  #lookUp(id: number, tables: InternTables): number {
    const words = this.#words;
    for (let i = 0; i < ADDRESS_WORDS; i++) words[i] = tables.addresses.word(id, i);
    const named = this.#byAddress.use(words, 0);
    let state = NAMELESS;
    if (named !== undefined && named.expiresMs >= this.#nowMs) {
      named.expiresMs = Math.max(named.expiresMs, this.#nowMs + named.keepMs);
      state = FIRST + this.#nameIds.push(tables.strings.intern(named.name)) - 1;
    }
    if (id >= this.#states.length) {
      const states = new Uint32Array(Math.max(id + 1, this.#states.length * 2));
      states.set(this.#states);
      this.#states = states;
    }
    this.#states[id] = state;
    return state;
  }

  #turn(): void {
    const forgotten = this.#byAddress.turn();
    if (forgotten > 0) this.#metrics.lost('dns', 'names_full', forgotten);
  }

  #forgetIds(): void {
    this.#states.fill(NOT_LOOKED_UP);
    this.#nameIds.length = 0;
  }
}

/** Unspecified or loopback: ad blockers answer with these. */
function isNobody(words: Uint32Array, at: number): boolean {
  if (words[at] !== 0 || words[at + 1] !== 0) return false;
  const third = words[at + 2]!;
  // Words are little-endian, addresses are big-endian.
  if (third === 0) return words[at + 3] === 0 || words[at + 3] === 0x01000000;
  const first = words[at + 3]! & 0xff;
  return third === 0xffff0000 && (first === 0 || first === 127);
}
