import { assertExists } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Partition } from './catalog.ts';

/**
 * How long ago partitions were begun. The wall clock is believed once, when the store is opened;
 * from then on monotonic time counts. A clock that is set while the store runs hence makes nothing
 * older or younger, and cannot have everything dropped at once.
 *
 * Time that the machine is suspended is no monotonic time: it counts from the next start on.
 */
export class PartitionAges {
  readonly #clock: Clock;
  /** By the monotonic clock, milliseconds. */
  readonly #begun = new WeakMap<Partition, number>();

  /** `found`: partitions of earlier runs. One that seems to be of the future begins now. */
  constructor(clock: Clock, found: readonly Partition[]) {
    this.#clock = clock;
    const nowMs = clock.nowMs();
    for (const partition of found) this.#begin(partition, Math.max(0, nowMs - partition.startedMs));
  }

  /** To be called as soon as a partition is made. */
  add(partition: Partition): void {
    this.#begin(partition, 0);
  }

  /** Milliseconds since the partition was begun. */
  of(partition: Partition): number {
    const begunMs = assertExists(this.#begun.get(partition), 'beginning of a partition');
    return this.#clock.monotonicMs() - begunMs;
  }

  #begin(partition: Partition, agoMs: number): void {
    this.#begun.set(partition, this.#clock.monotonicMs() - agoMs);
  }
}
