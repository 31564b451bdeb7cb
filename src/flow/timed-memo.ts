import { IdMemo, UNKNOWN } from './id-memo.ts';
import { type InternTables, MISSING } from './intern.ts';

/** Number of the fact where nothing holds. */
export const NO_FACT = 0;

/** Takes the facts about one id, in order: each holds until the next one does. */
export interface FactSpans {
  /** `fact`: a number below 2^31, the caller's; `NO_FACT`: from here on nothing holds. */
  add(fromMs: number, fact: number): void;
}

/** Facts about addresses that change with time: names, pods. */
export interface TimedFacts {
  /** Counts up when a fact changes. */
  readonly version: number;
  /** The ids whose facts have changed since a version; default, or undefined: all may have. */
  changedSince?(version: number, tables: InternTables): readonly number[] | undefined;
  /** Ids are at most this; default: those of the addresses of `tables`. */
  readonly size?: number;
  /** Adds the facts about an address of `tables`; a fact that always held is from -Infinity on. */
  find(id: number, tables: InternTables, spans: FactSpans): void;
}

/** Lists of spans that are kept for their ids, beyond twice as many as there are ids. */
const LISTS_SPARE = 1024;

/**
 * Facts per address id and time: the time of a flow decides, so a flow of an address's former owner
 * does not get the name of the present one. An id with a single fact for all times costs one array
 * look-up per row; others cost a search in their few spans.
 */
export class TimedMemo implements FactSpans {
  // Values: odd: a fact for all times, times two; even: the number of a list of spans, from 1 on.
  readonly #memo = new IdMemo();
  #clearings = 0;
  /** The spans of all lists, one list after another. */
  readonly #fromMs: number[] = [];
  readonly #facts: number[] = [];
  /** Where each list ends; list 0 is empty. */
  readonly #ends: number[] = [0];

  /** Writes the fact of each row at its time, or `NO_FACT`; `into` may be `addresses`. */
  fill(
    length: number,
    addresses: Uint32Array,
    timesMs: Float64Array,
    tables: InternTables,
    facts: TimedFacts,
    into: Uint32Array,
  ): void {
    const size = facts.size ?? tables.addresses.size;
    // Changed facts leave their lists behind.
    if (this.#ends.length > 2 * size + LISTS_SPARE) this.#memo.clear();
    const memo = this.#memo.for(tables, size, facts.version, (version) =>
      facts.changedSince?.(version, tables),
    );
    if (this.#memo.clearings !== this.#clearings) this.#clear();
    for (let row = 0; row < length; row++) {
      const id = addresses[row]!;
      if (id === MISSING) {
        into[row] = NO_FACT;
        continue;
      }
      let value = memo[id]!;
      if (value === UNKNOWN) {
        value = this.#find(id, tables, facts);
        memo[id] = value;
      }
      into[row] = (value & 1) === 1 ? value >>> 1 : this.#at(value >>> 1, timesMs[row]!);
    }
  }

  add(fromMs: number, fact: number): void {
    this.#fromMs.push(fromMs);
    this.#facts.push(fact);
  }

  #find(id: number, tables: InternTables, facts: TimedFacts): number {
    const first = this.#facts.length;
    facts.find(id, tables, this);
    const count = this.#facts.length - first;
    if (count === 0) return (NO_FACT << 1) | 1;
    if (count === 1 && this.#fromMs[first] === Number.NEGATIVE_INFINITY) {
      this.#fromMs.pop();
      return ((this.#facts.pop()! << 1) | 1) >>> 0;
    }
    return (this.#ends.push(this.#facts.length) - 1) << 1;
  }

  #at(list: number, timeMs: number): number {
    const first = this.#ends[list - 1]!;
    let at = this.#ends[list]! - 1;
    while (at >= first && this.#fromMs[at]! > timeMs) at--;
    return at < first ? NO_FACT : this.#facts[at]!;
  }

  #clear(): void {
    this.#clearings = this.#memo.clearings;
    this.#fromMs.length = 0;
    this.#facts.length = 0;
    this.#ends.length = 1;
  }
}
