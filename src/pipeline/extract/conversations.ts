import { NO_NUMBER, WordTable } from '../../base/word-table.ts';
import { Evidence } from './openers.ts';

/** Bytes, packets and flows of one end. */
export const COUNTS = 3;

/** A conversation by its slot, or a flow that is not remembered. */
export interface Conversation {
  /** Words of both ends and the protocol: the first end is the source of its first flow. */
  readonly words: Uint32Array;
  readonly at: number;
  /** Counts of the first end, then those of the second one. */
  readonly counts: Float64Array;
  readonly countsAt: number;
  readonly evidence: number;
  /** The second end opened it. */
  readonly isReply: boolean;
}

/**
 * Conversations with what their ends sent in the current window, and who opened them. Words are
 * those of the source, of the destination, and the protocol's.
 */
export class Conversations {
  readonly table: WordTable;
  readonly #endWidth: number;
  readonly #swapped: Uint32Array;
  counts = new Float64Array(0);
  evidence = new Uint8Array(0);
  isReply = new Uint8Array(0);
  lastMs = new Float64Array(0);
  /** After `find`: the source of the flow is the second end. */
  isSwapped = false;

  constructor(endWidth: number, limit: number) {
    this.#endWidth = endWidth;
    this.table = new WordTable(endWidth * 2 + 1, limit);
    this.#swapped = new Uint32Array(endWidth * 2 + 1);
  }

  /** The slot of a flow's conversation, which may be new; `NO_NUMBER`: there is no room. */
  find(words: Uint32Array, at: number): number {
    this.isSwapped = false;
    const known = this.table.find(words, at);
    if (known !== NO_NUMBER) return known;
    this.#swap(words, at);
    const other = this.table.find(this.#swapped, 0);
    if (other !== NO_NUMBER) {
      this.isSwapped = true;
      return other;
    }
    const slot = this.table.put(words, at);
    this.#reserve();
    if (slot !== NO_NUMBER) this.#clear(slot);
    return slot;
  }

  /** Later evidence of the same kind is that of a new conversation with the same ports. */
  learn(slot: number, evidence: number, isReply: boolean): void {
    if (evidence === Evidence.none || evidence < this.evidence[slot]!) return;
    this.evidence[slot] = evidence;
    this.isReply[slot] = isReply !== this.isSwapped ? 1 : 0;
  }

  add(slot: number, bytes: number, packets: number, nowMs: number): void {
    const at = (slot * 2 + (this.isSwapped ? 1 : 0)) * COUNTS;
    this.counts[at]! += bytes;
    this.counts[at + 1]! += packets;
    this.counts[at + 2]! += 1;
    this.lastMs[slot] = nowMs;
  }

  /** Flows of both ends in this window. */
  flows(slot: number): number {
    const at = slot * 2 * COUNTS;
    return this.counts[at + COUNTS - 1]! + this.counts[at + 2 * COUNTS - 1]!;
  }

  clearCounts(slot: number): void {
    this.counts.fill(0, slot * 2 * COUNTS, (slot + 1) * 2 * COUNTS);
  }

  /** Forgets conversations without flows in this window that had their last one before a time. */
  forget(beforeMs: number): void {
    let forgotten = 0;
    for (let slot = 1; slot < this.table.end; slot++) {
      if (!this.table.has(slot) || this.flows(slot) > 0 || this.lastMs[slot]! >= beforeMs) continue;
      this.table.release(slot);
      forgotten++;
    }
    if (forgotten > 0) this.table.rehash();
  }

  #swap(words: Uint32Array, at: number): void {
    const width = this.#endWidth;
    for (let i = 0; i < width; i++) {
      this.#swapped[i] = words[at + width + i]!;
      this.#swapped[width + i] = words[at + i]!;
    }
    this.#swapped[width * 2] = words[at + width * 2]!;
  }

  #clear(slot: number): void {
    this.clearCounts(slot);
    this.evidence[slot] = Evidence.none;
    this.isReply[slot] = 0;
  }

  #reserve(): void {
    const { capacity } = this.table;
    if (this.lastMs.length >= capacity) return;
    const [counts, evidence] = [this.counts, this.evidence];
    const [isReply, lastMs] = [this.isReply, this.lastMs];
    this.counts = new Float64Array(capacity * 2 * COUNTS);
    this.evidence = new Uint8Array(capacity);
    this.isReply = new Uint8Array(capacity);
    this.lastMs = new Float64Array(capacity);
    this.counts.set(counts);
    this.evidence.set(evidence);
    this.isReply.set(isReply);
    this.lastMs.set(lastMs);
  }
}
