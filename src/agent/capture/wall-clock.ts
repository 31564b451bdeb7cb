import type { Clock } from '../../base/clock.ts';

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
/** Longest search for the beginning of a millisecond, in readings of the clock. */
const READINGS_MAX = 200_000;

/**
 * Tells the wall clock's time of the kernel's monotonic one, with its nanoseconds. The wall clock
 * can only be read in whole milliseconds: where one begins is looked for at the start, and from
 * then on the difference is corrected as far as it contradicts what is read, be it a clock that was
 * set.
 */
export class WallClock {
  readonly #clock: Clock;
  readonly #monotonicMs: () => number;
  /** Wall minus monotonic. */
  #offsetMs: number;
  /** Of the last time that was told. */
  seconds = 0;
  nanoseconds = 0;

  constructor(clock: Clock, monotonicMs: () => number) {
    this.#clock = clock;
    this.#monotonicMs = monotonicMs;
    const first = clock.nowMs();
    let now = first;
    for (let i = 0; i < READINGS_MAX && now === first; i++) now = clock.nowMs();
    this.#offsetMs = now - monotonicMs();
  }

  /** To be called from time to time. */
  adjust(): void {
    const least = this.#clock.nowMs() - this.#monotonicMs();
    this.#offsetMs = Math.min(Math.max(this.#offsetMs, least), least + 1);
  }

  /** Sets `seconds` and `nanoseconds` to those of a monotonic time. Exact but for the offset. */
  tell(monotonicNs: number): void {
    const offsetSeconds = Math.floor(this.#offsetMs / 1000);
    const offsetNs = Math.round((this.#offsetMs - offsetSeconds * 1000) * NS_PER_MS);
    const wholeSeconds = Math.floor(monotonicNs / NS_PER_SECOND);
    const ns = monotonicNs - wholeSeconds * NS_PER_SECOND + offsetNs;
    const carry = Math.floor(ns / NS_PER_SECOND);
    this.seconds = offsetSeconds + wholeSeconds + carry;
    this.nanoseconds = ns - carry * NS_PER_SECOND;
  }
}
