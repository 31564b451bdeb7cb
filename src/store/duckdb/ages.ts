import { assertExists } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Partition } from './catalog.ts';

/** How long the wall clock may be wrong after a start before what it says is acted on. */
export const CLOCK_DOUBT_MS = 3_600_000;

/**
 * How long ago partitions were begun. The wall clock is believed once, when the store is opened;
 * from then on monotonic time counts. A clock that is set while the store runs hence makes nothing
 * older or younger, and cannot have everything dropped at once.
 *
 * When by the clock the store was closed for so long that all it holds would have to go, the clock
 * may as well be ahead, as it is on machines that boot before they have asked for the time. Then
 * partitions are as old as they were when the last row came, until the clock is asked once more
 * after `CLOCK_DOUBT_MS`.
 *
 * Time that the machine is suspended is no monotonic time: it counts from the next start on.
 */
export class PartitionAges {
  readonly #clock: Clock;
  /** By the monotonic clock, milliseconds. */
  readonly #begun = new WeakMap<Partition, number>();
  readonly #found: readonly Partition[];
  readonly #spanMs: number;
  /** When the last row of `found` came, epoch ms. */
  readonly #lastMs: number;
  /** Monotonic time at which the clock is asked again; none when it is believed. */
  #doubtEndsMs: number | undefined;

  /** `found`: partitions of earlier runs. One that seems to be of the future begins now. */
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

  /** True while the clock's word on the time since the last row is not taken. */
  get isDoubtful(): boolean {
    return this.#doubtEndsMs !== undefined;
  }

  /** Told while it lasts: when the last row came, epoch ms. */
  get doubt(): { readonly lastMs: number } | undefined {
    return this.isDoubtful ? { lastMs: this.#lastMs } : undefined;
  }

  /** To be called as soon as a partition is made. */
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
      // The clock may have been behind when it was begun, and set forward before its last row.
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

/** When a partition took its last row, at the latest: flows may say that they are of the future. */
function lastRowMs(
  { startedMs, sealedMs, newestMs }: Partition,
  spanMs: number,
  nowMs: number,
): number {
  const lastMs = Math.min(Math.max(sealedMs ?? 0, newestMs), startedMs + spanMs);
  return Math.max(startedMs, lastMs, newestMs <= nowMs ? newestMs : 0);
}
