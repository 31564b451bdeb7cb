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
  readonly #byKey = new Map<string, Holding[]>();
  readonly #onGone: (fact: number) => void;
  readonly #onEvicted: () => void;

  /** `onGone`: a holding of the fact is forgotten. */
  constructor(onGone: (fact: number) => void, onEvicted: () => void) {
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
    const known = this.#byKey.get(key);
    if (known === undefined) {
      this.#byKey.set(key, [holding]);
      return;
    }
    known.push(holding);
    if (known.length <= HOLDERS_MAX) return;
    this.#onEvicted();
    const ended = known.findIndex(({ toMs }) => toMs !== Number.POSITIVE_INFINITY);
    const [gone] = known.splice(Math.max(ended, 0), 1);
    this.#onGone(gone!.fact);
  }

  /** False if it does not hold the key. */
  release(key: string, fact: number, toMs: number): boolean {
    const holding = this.#byKey
      .get(key)
      ?.find((one) => one.fact === fact && one.toMs === Number.POSITIVE_INFINITY);
    if (holding === undefined) return false;
    holding.toMs = Math.max(holding.fromMs, toMs);
    return true;
  }

  /** Forgets holdings that ended before this time. */
  forget(beforeMs: number): boolean {
    let hasForgotten = false;
    for (const [key, known] of this.#byKey) {
      if (known.every(({ toMs }) => toMs >= beforeMs)) continue;
      hasForgotten = true;
      const kept = known.filter(({ toMs }) => toMs >= beforeMs);
      for (const { fact, toMs } of known) if (toMs < beforeMs) this.#onGone(fact);
      if (kept.length === 0) this.#byKey.delete(key);
      else this.#byKey.set(key, kept);
    }
    return hasForgotten;
  }

  /** The facts of a key in order of time. */
  find(key: string, spans: FactSpans): void {
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    const [only] = known;
    if (known.length === 1 && only !== undefined) {
      // Most keys have one holder.
      spans.add(only.fromMs, only.fact);
      if (only.toMs !== Number.POSITIVE_INFINITY) spans.add(only.toMs, NO_FACT);
      return;
    }
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
