import type { Clock } from '../base/clock.ts';

export interface SeriesLimits {
  /** Time without a touch after which a series is removed. */
  readonly idleMs: number;
  /** Above this number, the series with the oldest touch is removed. */
  readonly seriesMax: number;
}

interface Series<Labels> {
  readonly labels: Labels;
  readonly touchedMs: number;
}

/** Series of a metric whose labels name things that come and go. */
export class ExpiringSeries<Label extends string> {
  readonly #limits: SeriesLimits;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #remove: (labels: Record<Label, string>) => void;
  /** By label values, in the order of the last touch. */
  readonly #series = new Map<string, Series<Record<Label, string>>>();

  constructor(
    limits: SeriesLimits,
    clock: Pick<Clock, 'monotonicMs'>,
    remove: (labels: Record<Label, string>) => void,
  ) {
    this.#limits = limits;
    this.#clock = clock;
    this.#remove = remove;
  }

  /** A series has a new value. */
  touch(labels: Record<Label, string>): void {
    const key = Object.values(labels).join('\0');
    this.#series.delete(key);
    this.#series.set(key, { labels, touchedMs: this.#clock.monotonicMs() });
    this.expire();
  }

  /** Removes series that are too old or beyond the limit. */
  expire(): void {
    const { idleMs, seriesMax } = this.#limits;
    const oldestMs = this.#clock.monotonicMs() - idleMs;
    for (const [key, { labels, touchedMs }] of this.#series) {
      if (touchedMs > oldestMs && this.#series.size <= seriesMax) break;
      this.#series.delete(key);
      this.#remove(labels);
    }
  }
}
