const WINDOW_MS = 1000;
/** Within a second, the share of the limit after which flows are thinned twice as much. */
const STEP_SHARE = 1 / 16;

/**
 * Lets about so many flows a second pass, each of which stands for `thinning` flows.
 *
 * The thinning is that by which the flows of the last second would have fitted. When a second
 * brings more, it doubles at the limit, and again after each further sixteenth of it: a
 * thousandfold burst exceeds the limit by 90 %, once. It never depends on the flow that it decides
 * about, so that sums over flows times their rates are right on average.
 */
export class FlowLimit {
  readonly max: number;
  readonly random: () => number;
  /** Each of the next flows passes with a probability of 1 in this. */
  thinning = 1;
  #startMs = Number.NEGATIVE_INFINITY;
  #seen = 0;
  #passed = 0;
  #step: number;

  /** `max`: flows per second. `random` gives numbers from 0 to below 1. */
  constructor(max: number, random: () => number) {
    this.max = max;
    this.random = random;
    this.#step = max;
  }

  /** Sets the thinning of the next flows. */
  begin(nowMs: number): void {
    const elapsedMs = nowMs - this.#startMs;
    if (elapsedMs >= WINDOW_MS) {
      const perSecond = (this.#seen * WINDOW_MS) / elapsedMs;
      this.thinning = Math.max(1, perSecond / this.max);
      this.#startMs = nowMs;
      this.#seen = 0;
      this.#passed = 0;
      this.#step = this.max;
    } else if (this.#passed >= this.#step) {
      this.thinning *= 2;
      this.#step = this.#passed + this.max * STEP_SHARE;
    }
  }

  /** Notes what became of flows. */
  note(seen: number, passed: number): void {
    this.#seen += seen;
    this.#passed += passed;
  }

  passes(): boolean {
    return this.thinning === 1 || this.random() * this.thinning < 1;
  }
}

/** The configuration of an exporter's flows. */
export interface ExporterSampling {
  /** Sampling rate, whatever the exporter gives; 0: as it gives it. */
  readonly rate: number;
  /** Sampling rate if the exporter gives none; 0: unknown. */
  readonly rateDefault: number;
  readonly limit: FlowLimit | undefined;
}

/** Undefined: as the exporter says, without a limit. */
export type SamplingOf = (exporter: string, nowMs: number) => ExporterSampling | undefined;

/** The sampling rate of a flow that passed, from what its exporter says; 0: unknown. */
export function rateOf(given: number, sampling: ExporterSampling): number {
  const { rate, rateDefault, limit } = sampling;
  let used = given > 0 ? given : rateDefault;
  if (rate > 0) used = rate;
  const thinning = limit?.thinning ?? 1;
  return thinning === 1 ? used : Math.max(used, 1) * thinning;
}
