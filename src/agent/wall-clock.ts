import type { Clock } from '../base/clock.ts';

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
/** Longest search for the beginning of a millisecond, in readings of the clock. */
const READINGS_MAX = 200_000;

/**
 * Converts the kernel's monotonic time to wall-clock time, with its nanoseconds.
 *
 * The wall clock can only be read in whole milliseconds, and a process may have to wait between
 * that reading and one of the monotonic clock. So it is read between two readings of the other,
 * which bounds the difference for any delay; bounds of many readings narrow it down, first one at
 * the start of a millisecond. If they contradict each other, the clock was set, and the search
 * begins again.
 */
export class WallClock {
  readonly #clock: Clock;
  readonly #monotonicMs: () => number;
  /** Wall minus monotonic is between these. */
  #leastMs = Number.NEGATIVE_INFINITY;
  #mostMs = Number.POSITIVE_INFINITY;
  /** Seconds of the last converted time. */
  seconds = 0;
  nanoseconds = 0;

  constructor(clock: Clock, monotonicMs: () => number) {
    this.#clock = clock;
    this.#monotonicMs = monotonicMs;
    this.#search();
  }

  /** Add to milliseconds of the monotonic clock for epoch milliseconds. */
  get offsetMs(): number {
    return this.#leastMs;
  }

  /** Call this from time to time. */
  adjust(): void {
    this.#read();
    if (this.#leastMs > this.#mostMs) this.#search();
  }

  /** Sets `seconds` and `nanoseconds` to those of a monotonic time. Exact except for the offset. */
  tell(monotonicNs: number): void {
    const offsetSeconds = Math.floor(this.offsetMs / 1000);
    const offsetNs = Math.round((this.offsetMs - offsetSeconds * 1000) * NS_PER_MS);
    const wholeSeconds = Math.floor(monotonicNs / NS_PER_SECOND);
    const ns = monotonicNs - wholeSeconds * NS_PER_SECOND + offsetNs;
    const carry = Math.floor(ns / NS_PER_SECOND);
    this.seconds = offsetSeconds + wholeSeconds + carry;
    this.nanoseconds = ns - carry * NS_PER_SECOND;
  }

  /** Forgets earlier bounds; reads until a millisecond begins, which gives both bounds. */
  #search(): void {
    this.#leastMs = Number.NEGATIVE_INFINITY;
    this.#mostMs = Number.POSITIVE_INFINITY;
    const first = this.#read();
    for (let i = 0; i < READINGS_MAX && this.#read() === first; i++);
  }

  /** Makes one reading; returns the wall clock's. */
  #read(): number {
    const before = this.#monotonicMs();
    const wall = this.#clock.nowMs();
    const after = this.#monotonicMs();
    this.#leastMs = Math.max(this.#leastMs, wall - after);
    this.#mostMs = Math.min(this.#mostMs, wall + 1 - before);
    return wall;
  }
}
