import type { CatalogueItem, Change } from './catalogue.ts';
import { OPERATION } from './protocol.ts';

export interface BatchLimits {
  readonly entriesMax: number;
  readonly bytesMax: number;
}

/** Entries of one message. */
export interface Batch {
  readonly operation: number;
  readonly items: readonly CatalogueItem[];
}

/**
 * Changes that one processor has not got yet, the last one per object, within a bound. When there
 * are too many, all are dropped: a snapshot is then shorter than they are.
 */
export class Outbox {
  readonly #changesMax: number;
  #changes = new Map<string, Change>();
  #isOverflown = false;
  #onNews: (() => void) | undefined;

  constructor(changesMax: number) {
    this.#changesMax = changesMax;
  }

  get size(): number {
    return this.#changes.size;
  }

  /** Changes were dropped since it was emptied. */
  get isOverflown(): boolean {
    return this.#isOverflown;
  }

  add(change: Change): void {
    if (this.#isOverflown) return;
    const { uid } = change.item;
    const before = this.#changes.get(uid);
    if (before === undefined && this.#changes.size >= this.#changesMax) {
      this.#changes = new Map();
      this.#isOverflown = true;
    } else {
      // At the end: an address that it gave back goes to another object first.
      this.#changes.delete(uid);
      this.#changes.set(uid, joined(before, change));
    }
    this.#onNews?.();
  }

  /** A snapshot is about to be taken. */
  clear(): void {
    this.#changes = new Map();
    this.#isOverflown = false;
  }

  /** Resolves when there are changes, or when they were too many. */
  async news(signal: AbortSignal): Promise<void> {
    if (this.size > 0 || this.isOverflown) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.#onNews = undefined;
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#onNews = done;
      signal.addEventListener('abort', done);
      if (signal.aborted) done();
    });
  }

  /** Takes the first changes that fit in one message; they have the same operation. */
  take(limits: BatchLimits): Batch {
    const items: CatalogueItem[] = [];
    let bytes = 0;
    let operation = 0;
    for (const [uid, change] of this.#changes) {
      if (items.length > 0) {
        bytes += sizeOf(change.item);
        const isFull = items.length >= limits.entriesMax || bytes > limits.bytesMax;
        if (isFull || change.operation !== operation) break;
      } else bytes = sizeOf(change.item);
      operation = change.operation;
      items.push(change.item);
      this.#changes.delete(uid);
    }
    return { operation, items };
  }
}

/** Several changes of one object as one. */
function joined(before: Change | undefined, change: Change): Change {
  const isNew = before?.operation === OPERATION.add && change.operation === OPERATION.update;
  return isNew ? { ...change, operation: OPERATION.add } : change;
}

/** The objects in messages. There is always a first message, even without objects. */
export function* batchesOf(
  items: readonly CatalogueItem[],
  { entriesMax, bytesMax }: BatchLimits,
): Generator<readonly CatalogueItem[]> {
  let from = 0;
  do {
    let to = from;
    let bytes = 0;
    while (to < items.length && to - from < entriesMax) {
      bytes += sizeOf(items[to]!);
      if (to > from && bytes > bytesMax) break;
      to++;
    }
    yield items.slice(from, to);
    from = to;
  } while (from < items.length);
}

function sizeOf({ entry, owner }: CatalogueItem): number {
  return entry.head.length + entry.rest.length + owner.length;
}
