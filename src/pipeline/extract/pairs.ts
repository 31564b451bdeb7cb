import { NO_NUMBER, WordTable } from '../../base/word-table.ts';
import { COUNTS, type Conversation } from './conversations.ts';
import { Evidence } from './openers.ts';

/** Clients and servers of one window: words of the client's end, of the server's, and two more. */
export class Pairs {
  readonly table: WordTable;
  readonly #endWidth: number;
  readonly #words: Uint32Array;
  /** By slot: counts of the client, then those of the server. */
  counts = new Float64Array(0);
  /** Flows without room. */
  rejected = 0;

  /** The last word of an end is its port plus one, or 0. */
  constructor(endWidth: number, limit: number) {
    this.#endWidth = endWidth;
    this.#words = new Uint32Array(endWidth * 2 + 1);
    this.table = new WordTable(endWidth * 2 + 1, limit);
  }

  add(conversation: Conversation): void {
    const { words, at, counts, countsAt } = conversation;
    const width = this.#endWidth;
    const isSecond = isSecondClient(conversation, width);
    const [client, server] = isSecond ? [at + width, at] : [at, at + width];
    for (let i = 0; i < width; i++) {
      this.#words[i] = words[client + i]!;
      this.#words[width + i] = words[server + i]!;
    }
    // The client's port is any.
    this.#words[width - 1] = 0;
    this.#words[width * 2] = words[at + width * 2]!;
    const slot = this.table.put(this.#words, 0);
    if (slot === NO_NUMBER) {
      this.rejected += counts[countsAt + COUNTS - 1]! + counts[countsAt + 2 * COUNTS - 1]!;
      return;
    }
    this.#reserve();
    const into = slot * 2 * COUNTS;
    for (let i = 0; i < COUNTS; i++) {
      const [first, second] = [counts[countsAt + i]!, counts[countsAt + COUNTS + i]!];
      this.counts[into + i]! += isSecond ? second : first;
      this.counts[into + COUNTS + i]! += isSecond ? first : second;
    }
  }

  clear(): void {
    this.table.clear();
    this.counts.fill(0);
    this.rejected = 0;
  }

  #reserve(): void {
    const length = this.table.capacity * 2 * COUNTS;
    if (this.counts.length >= length) return;
    const counts = new Float64Array(length);
    counts.set(this.counts);
    this.counts = counts;
  }
}

/**
 * Whether the second end is the client. Without evidence the lower port is the server's. What an
 * end sends to itself is all the client's.
 */
function isSecondClient({ words, at, evidence, isReply }: Conversation, width: number): boolean {
  if (evidence !== Evidence.none) return isReply && !isSame(words, at, width);
  const [first, second] = [words[at + width - 1]!, words[at + 2 * width - 1]!];
  return first !== 0 && second !== 0 && first < second;
}

function isSame(words: Uint32Array, at: number, width: number): boolean {
  let i = 0;
  while (i < width && words[at + i] === words[at + width + i]) i++;
  return i === width;
}
