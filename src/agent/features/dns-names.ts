import type { InternTables } from '../../flow/intern.ts';
import { type FactSpans, type TimedFacts, TimedMemo } from '../../flow/timed-memo.ts';
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

/** Names of one address that are kept, the last ones: sites behind one address take turns. */
const NAMES_OF_ADDRESS = 4;

interface NamedAddress {
  readonly name: string;
  readonly fromMs: number;
  /** The name before this one. */
  before: NamedAddress | undefined;
  keepMs: number;
  expiresMs: number;
}

/**
 * The names that DNS resolved to addresses. A flow has the name that its address had when the flow
 * began. The memory is bounded: when it is full, the addresses answered or used lately stay.
 *
 * A name is valid for its answer's time to live, and as long as traffic goes on that began before:
 * a connection that outlives the answer is still one to that name. Times are milliseconds of the
 * kernel's monotonic clock.
 */
export class DnsNames implements TimedFacts {
  readonly #metrics: AgentMetrics;
  readonly #byAddress = new AgingMap<NamedAddress>(ADDRESS_WORDS, NAMES_MAX);
  readonly #words = new Uint32Array(ADDRESS_WORDS);
  readonly #memo = new TimedMemo();
  #drains = 0;
  #nowMs = 0;

  constructor(metrics: AgentMetrics) {
    this.#metrics = metrics;
  }

  /** Begins a drain, which uses one time throughout. */
  begin(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#drains++;
  }

  /** Each drain is a version: names expire. */
  get version(): number {
    return this.#drains;
  }

  /**
   * Sets the name of the address at `words[at .. at + 4]` by an answer of that time; answers also
   * come between drains.
   */
  learn(words: Uint32Array, at: number, name: string, ttlS: number, timeMs: number): void {
    if (isNobody(words, at)) return;
    const before = this.#byAddress.find(words, at);
    const keepMs = Math.min(Math.max(ttlS * MS_PER_S, NAME_MIN_MS), NAME_MAX_MS);
    const expiresMs = timeMs + keepMs;
    const named =
      before?.name === name
        ? Object.assign(before, { keepMs, expiresMs })
        : { name, fromMs: timeMs, before: lately(before), keepMs, expiresMs };
    if (this.#byAddress.put(words, at, named)) return;
    this.#turn();
    this.#byAddress.put(words, at, named);
  }

  get isEmpty(): boolean {
    return this.#byAddress.isEmpty;
  }

  /** Ids of the names of addresses, by when their flows began; `into` may be `addresses`. */
  fill(
    length: number,
    addresses: Uint32Array,
    startsMs: Float64Array,
    tables: InternTables,
    into: Uint32Array,
  ): void {
    this.#memo.fill(length, addresses, startsMs, tables, this, into);
  }

  find(id: number, tables: InternTables, spans: FactSpans): void {
    const words = this.#words;
    for (let i = 0; i < ADDRESS_WORDS; i++) words[i] = tables.addresses.word(id, i);
    const named = this.#byAddress.use(words, 0);
    if (named === undefined || named.expiresMs < this.#nowMs) return;
    named.expiresMs = Math.max(named.expiresMs, this.#nowMs + named.keepMs);
    addNames(named, tables, spans);
  }

  #turn(): void {
    const forgotten = this.#byAddress.turn();
    if (forgotten > 0) this.#metrics.lost('dns', 'names_full', forgotten);
  }
}

/** The earliest name holds for flows that began before its answer, too. */
function addNames(named: NamedAddress, tables: InternTables, spans: FactSpans): void {
  if (named.before !== undefined) addNames(named.before, tables, spans);
  const fromMs = named.before === undefined ? Number.NEGATIVE_INFINITY : named.fromMs;
  spans.add(fromMs, tables.strings.intern(named.name));
}

/** The names before a new one, without those that are too many. */
function lately(named: NamedAddress | undefined): NamedAddress | undefined {
  let last = named;
  for (let count = 2; count < NAMES_OF_ADDRESS && last !== undefined; count++) last = last.before;
  if (last !== undefined) last.before = undefined;
  return named;
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
