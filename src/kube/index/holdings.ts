import { type FactSpans, NO_FACT } from '../../flow/timed-memo.ts';

/** Which kinds come first, if objects of several kinds hold one key. */
const RANKS = 4;

/** Past and present holders of one key that are kept, the last ones. */
const HOLDERS_MAX = 16;

interface Holding {
  readonly fact: number;
  readonly rank: number;
  readonly fromMs: number;
  readonly sureMs: number;
  toMs: number;
}

/**
 * Who had which address when. A key is an address, or what identifies a pod in another network.
 *
 * A holder of the same kind that surely took the key later has it; the earlier one lost it, even if
 * nobody noticed. While two may have it, nobody has: a flow gets no name rather than a wrong one.
 */
export class Holdings {
  /** Most keys have one holder, and there are many of them: a list would take as much again. */
  readonly #byKey = new Map<string, Holding | readonly Holding[]>();
  readonly #onGone: (key: string, fact: number) => void;
  readonly #onEvicted: () => void;

  /** `onGone`: a holding of the fact is forgotten. */
  constructor(onGone: (key: string, fact: number) => void, onEvicted: () => void) {
    this.#onGone = onGone;
    this.#onEvicted = onEvicted;
  }

  /** Keys that have, or had, a holder. */
  get size(): number {
    return this.#byKey.size;
  }

  /** It took the key at `fromMs` at the earliest, and at `sureMs` at the latest. */
  take(key: string, fact: number, rank: number, fromMs: number, sureMs: number): void {
    const holding = { fact, rank, fromMs, sureMs, toMs: Number.POSITIVE_INFINITY };
    const known = this.#of(key);
    if (known.length < HOLDERS_MAX) {
      this.#set(key, [...known, holding]);
      return;
    }
    this.#onEvicted();
    const gone = known.find(({ toMs }) => toMs !== Number.POSITIVE_INFINITY) ?? known[0]!;
    this.#set(key, [...known.filter((one) => one !== gone), holding]);
    this.#onGone(key, gone.fact);
  }

  /** False if it does not hold the key. */
  release(key: string, fact: number, toMs: number): boolean {
    const holding = this.#of(key).find(
      (one) => one.fact === fact && one.toMs === Number.POSITIVE_INFINITY,
    );
    if (holding === undefined) return false;
    holding.toMs = Math.max(holding.fromMs, toMs);
    return true;
  }

  /** Forgets holdings that ended before this time. */
  forget(beforeMs: number): void {
    for (const [key, one] of this.#byKey) {
      if ('toMs' in one && one.toMs >= beforeMs) continue;
      const known = this.#of(key);
      if (known.every(({ toMs }) => toMs >= beforeMs)) continue;
      this.#set(
        key,
        known.filter(({ toMs }) => toMs >= beforeMs),
      );
      for (const { fact, toMs } of known) if (toMs < beforeMs) this.#onGone(key, fact);
    }
  }

  /** The facts of a key in order of time. */
  find(key: string, spans: FactSpans): void {
    const only = this.#byKey.get(key);
    if (only === undefined) return;
    if ('toMs' in only) {
      spans.add(only.fromMs, only.fact);
      if (only.toMs !== Number.POSITIVE_INFINITY) spans.add(only.toMs, NO_FACT);
      return;
    }
    const known = only;
    const times = new Set<number>();
    for (const { fromMs, sureMs, toMs } of known) {
      times.add(fromMs).add(sureMs);
      if (toMs !== Number.POSITIVE_INFINITY) times.add(toMs);
    }
    let last = NO_FACT;
    for (const timeMs of [...times].sort((a, b) => a - b)) {
      const fact = holderAt(known, timeMs);
      if (fact !== last) spans.add(timeMs, fact);
      last = fact;
    }
  }

  #of(key: string): readonly Holding[] {
    const known = this.#byKey.get(key);
    if (known === undefined) return [];
    return 'toMs' in known ? [known] : known;
  }

  #set(key: string, holdings: readonly Holding[]): void {
    const [first] = holdings;
    if (first === undefined) this.#byKey.delete(key);
    else this.#byKey.set(key, holdings.length === 1 ? first : holdings);
  }
}

/** The one holder that there can be at that time, of the first kind that has any. */
function holderAt(known: readonly Holding[], timeMs: number): number {
  for (let rank = 0; rank < RANKS; rank++) {
    const [holder, other] = known.filter(
      (one) =>
        one.rank === rank &&
        one.fromMs <= timeMs &&
        timeMs < one.toMs &&
        !known.some((later) => later.rank === rank && hasLost(one, later, timeMs)),
    );
    if (holder !== undefined) return other === undefined ? holder.fact : NO_FACT;
  }
  return NO_FACT;
}

/** Whether `later` surely took the key after `one`, and before that time. */
function hasLost(one: Holding, later: Holding, timeMs: number): boolean {
  return one !== later && one.sureMs <= later.fromMs && later.sureMs <= timeMs;
}
