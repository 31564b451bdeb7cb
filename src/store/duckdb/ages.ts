import { assertExists } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Partition } from './catalog.ts';

/** How long after a start an implausible wall clock is not acted on. */
export const CLOCK_DOUBT_MS = 3_600_000;

/**
 * How long ago partitions were begun. The wall clock is read once, when the store is opened; from
 * then on monotonic time counts. Setting the clock while the store runs hence makes nothing older
 * or younger, and cannot have everything dropped at once.
 *
 * If by the clock the store was closed for so long that all of its contents would have to go, the
 * clock may be ahead, as on machines that boot before they have fetched the time. Then partitions
 * are as old as they were when the last row came, until the clock is read again after
 * `CLOCK_DOUBT_MS`.
 *
 * Monotonic time does not count suspended time: that counts from the next start on.
 */
export class PartitionAges {
  readonly #clock: Clock;
  /** Monotonic time of each beginning, milliseconds. */
  readonly #begun = new WeakMap<Partition, number>();
  readonly #found: readonly Partition[];
  readonly #spanMs: number;
  /** When the last row of `found` came, epoch ms. */
  readonly #lastMs: number;
  /** Monotonic time at which the clock is read again; undefined when it is trusted. */
  #doubtEndsMs: number | undefined;

  /**
   * `found`: partitions of earlier runs. A partition that seems to lie in the future begins now.
   */
  constructor(clock: Clock, found: readonly Partition[], { retentionMs, spanMs }: AgeLimits) {
    this.#clock = clock;
    this.#found = found;
    const nowMs = clock.nowMs();
    const lastMs = Math.max(...found.map((partition) => lastRowMs(partition, spanMs, nowMs)));
    this.#lastMs = lastMs;
    this.#spanMs = spanMs;
    const isDoubtful = found.length > 0 && nowMs - lastMs >= retentionMs;
    if (isDoubtful) this.#doubtEndsMs = clock.monotonicMs() + CLOCK_DOUBT_MS;
    this.#beginFound(isDoubtful ? lastMs : nowMs);
  }

  /** True while the clock is not trusted for the time since the last row. */
  get isDoubtful(): boolean {
    return this.#doubtEndsMs !== undefined;
  }

  /** The doubt while it lasts: when the last row came, epoch ms. */
  get doubt(): { readonly lastMs: number } | undefined {
    return this.isDoubtful ? { lastMs: this.#lastMs } : undefined;
  }

  /** Call it as soon as a partition is made. */
  add(partition: Partition): void {
    this.#begin(partition, 0);
  }

  /** Milliseconds since the partition was begun. */
  of(partition: Partition): number {
    const nowMs = this.#clock.monotonicMs();
    if (this.#doubtEndsMs !== undefined && nowMs >= this.#doubtEndsMs) {
      this.#doubtEndsMs = undefined;
      this.#beginFound(this.#clock.nowMs());
    }
    return nowMs - assertExists(this.#begun.get(partition), 'beginning of a partition');
  }

  #beginFound(nowMs: number): void {
    for (const partition of this.#found) {
      // The clock may have been behind at the beginning, and set forward before the last row.
      const last = Math.min(partition.newestMs, nowMs) - this.#spanMs;
      this.#begin(partition, Math.max(0, nowMs - Math.max(partition.startedMs, last)));
    }
  }

  #begin(partition: Partition, agoMs: number): void {
    this.#begun.set(partition, this.#clock.monotonicMs() - agoMs);
  }
}

interface AgeLimits {
  readonly retentionMs: number;
  readonly spanMs: number;
}

/** The latest time at which a partition took its last row: flows may carry times in the future. */
function lastRowMs(
  { startedMs, sealedMs, newestMs }: Partition,
  spanMs: number,
  nowMs: number,
): number {
  const lastMs = Math.min(Math.max(sealedMs ?? 0, newestMs), startedMs + spanMs);
  return Math.max(startedMs, lastMs, newestMs <= nowMs ? newestMs : 0);
}
