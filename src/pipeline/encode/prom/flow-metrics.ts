import type { FlowBatch } from '../../../flow/batch.ts';
import type { MetricOptions } from '../../options/metric.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, StageDeps } from '../../stage.ts';
import { SeriesBudget } from './budget.ts';
import { compileMetric } from './compile.ts';
import { LabelGroup, OTHER_SLOT } from './group.ts';
import { LabelValues } from './label-values.ts';
import type { Scratch, SeriesMetric } from './metric.ts';
import { createPromMetrics, type PromMetrics } from './metrics.ts';

/** Default limit of series of one stage: about 100 bytes each, plus their text. */
const SERIES_MAX = 1_000_000;
/**
 * Series are swept this many times per expiry time, so none is shown for longer than by a quarter.
 */
const SWEEPS_PER_EXPIRY = 4;
/** A hidden series is remembered for this many expiry times. */
const EXPIRIES_REMEMBERED = 10;
const SWEEP_INTERVAL_MIN_MS = 1000;
/** Up to this many unused label values are tolerated. */
const STALE_VALUES_MAX = 10_000;

export interface FlowMetricsOptions {
  readonly prefix: string;
  readonly metrics: readonly MetricOptions[];
  /** Time without flows after which a series is hidden, milliseconds. */
  readonly expiryTime: number;
  /** Limit on the shown series of all metrics; 0: `SERIES_MAX`. */
  readonly maxMetrics: number;
  /** Histograms are also kept as native ones. */
  readonly nativeHistograms?: boolean;
}

/** Called with a series that is shown no longer, while its labels are known. */
type OnHidden = (metric: SeriesMetric, slot: number) => void;

/**
 * The metrics of one stage: what they count, their series, and how long a series lives.
 *
 * A series without flows is hidden after the expiry time, but remembered for longer: if its flows
 * come back, its counter continues. Would it begin anew, then a reader whose last value was lower
 * than the next one would take the difference for the increase.
 */
export class FlowMetrics {
  readonly metrics: readonly SeriesMetric[];
  /** Columns that they are made from. */
  readonly reads: readonly string[];
  readonly values = new LabelValues();
  readonly #deps: StageDeps;
  readonly #groups = new Map<string, LabelGroup>();
  readonly #own: PromMetrics;
  readonly #budget: SeriesBudget;
  readonly #expiryMs: number;
  readonly #sweepMs: number;
  readonly #scratch: Scratch = {
    rows: new Uint32Array(0),
    slots: new Int32Array(0),
    values: new Float64Array(0),
  };
  // 0 means "never" in the series' ticks.
  #tick = 1;
  #oldest = 1;
  #sweeper: Disposable | undefined;
  readonly #onHidden: OnHidden;

  constructor(options: FlowMetricsOptions, context: StageContext, onHidden: OnHidden = nothing) {
    this.#onHidden = onHidden;
    this.#deps = context.deps;
    this.#own = createPromMetrics(context.deps.metrics, context.name);
    const max = options.maxMetrics === 0 ? SERIES_MAX : options.maxMetrics;
    this.#budget = new SeriesBudget(max);
    this.#expiryMs = options.expiryTime;
    this.#sweepMs = Math.max(SWEEP_INTERVAL_MIN_MS, options.expiryTime / SWEEPS_PER_EXPIRY);
    const problems = new ConfigProblems();
    const attempted = options.metrics.map((metric, index) =>
      problems.attempt(() =>
        compileMetric(metric, {
          prefix: options.prefix,
          path: `${context.path}.metrics[${index}]`,
          earlier: options.metrics.slice(0, index),
          context,
          values: this.values,
          isNative: options.nativeHistograms === true,
          groupOf: (labels) => this.#groupOf(labels),
          onBadValue: (rows) => this.#own.badValue(metric.name, rows),
        }),
      ),
    );
    problems.throwAll();
    const compiled = attempted.filter((one) => one !== undefined);
    this.metrics = compiled.map((one) => one.metric);
    this.reads = [...new Set(compiled.flatMap((one) => one.reads))];
  }

  start(): void {
    this.#sweeper = this.#deps.clock.every(this.#sweepMs, () => this.#sweep());
  }

  stop(): void {
    this.#sweeper?.[Symbol.dispose]();
  }

  /** Adds the selected rows of a batch. */
  count(batch: FlowBatch): void {
    const scratch = this.#scratch;
    if (scratch.rows.length < batch.capacity) {
      scratch.rows = new Uint32Array(batch.capacity);
      scratch.slots = new Int32Array(batch.capacity);
      scratch.values = new Float64Array(batch.capacity);
    }
    for (const group of this.#groups.values()) group.begin(batch);
    const now = { tick: this.#tick, ms: this.#deps.clock.nowMs(), oldest: this.#oldest };
    let samples = 0;
    for (const metric of this.metrics) samples += metric.update(batch, scratch, now);
    this.#own.processed(samples);
    this.#own.dropped(this.#budget.takeRefused());
    this.#own.reported(this.#shown());
  }

  /** Slots of the series that a metric shows. */
  slots(metric: SeriesMetric): Iterable<number> {
    return metric.slots(this.#oldest);
  }

  /** All families in the text format. */
  text(): string {
    return this.metrics.map((metric) => metric.text(this.#oldest)).join('');
  }

  #shown(): number {
    let others = 0;
    for (const { seen } of this.metrics) if (seen.isShown(OTHER_SLOT, this.#oldest)) others++;
    return this.#budget.taken + others;
  }

  #groupOf(labels: LabelGroup['labels']): LabelGroup {
    const key = JSON.stringify(labels);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new LabelGroup(labels, this.values, this.#budget);
    this.#groups.set(key, group);
    return group;
  }

  #sweep(): void {
    this.#tick++;
    const sweeps = Math.ceil(this.#expiryMs / this.#sweepMs);
    const before = this.#oldest;
    this.#oldest = Math.max(1, this.#tick - sweeps);
    for (const metric of this.metrics) this.#hide(metric, before);
    const remembered = Math.max(1, this.#tick - sweeps * EXPIRIES_REMEMBERED);
    if (this.#forget(remembered) > this.#budget.max) this.#forget(this.#oldest);
    this.#own.reported(this.#shown());
    // Values of flows that found no room for a series are in no tuple.
    this.#compactValues();
  }

  /** Hides the series of a metric that were shown until this sweep. */
  #hide(metric: SeriesMetric, before: number): void {
    let hidden = 0;
    for (const slot of metric.slotsBetween(before, this.#oldest)) {
      if (slot !== OTHER_SLOT) hidden++;
      this.#onHidden(metric, slot);
    }
    this.#budget.give(hidden);
  }

  /** Forgets series last seen before a tick, except those of `other`; returns how many are left. */
  #forget(before: number): number {
    let forgotten = 0;
    let left = 0;
    for (const metric of this.metrics) {
      for (const slot of metric.slotsBetween(1, this.#oldest)) {
        if (slot === OTHER_SLOT) continue;
        if (metric.seen.ticks[slot]! >= before) {
          left++;
          continue;
        }
        metric.forget(slot);
        forgotten++;
      }
    }
    if (forgotten > 0) for (const group of this.#groups.values()) this.#forgetUnused(group);
    return left;
  }

  /** Releases the tuples that no metric has a series for. */
  #forgetUnused(group: LabelGroup): void {
    const users = this.metrics.filter((metric) => metric.group === group);
    let forgotten = 0;
    for (let slot = OTHER_SLOT + 1; slot < group.tuples.end; slot++) {
      if (!group.tuples.has(slot)) continue;
      if (users.some(({ seen }) => (seen.ticks[slot] ?? 0) !== 0)) continue;
      group.forget(slot);
      forgotten++;
    }
    if (forgotten > 0) group.tuples.rehash();
  }

  #compactValues(): void {
    const words: Uint32Array[] = [];
    let used = 0;
    for (const { tuples } of this.#groups.values()) {
      used += tuples.size * tuples.width;
      for (let slot = 1; slot < tuples.end; slot++) {
        if (tuples.has(slot)) words.push(tuples.words(slot));
      }
    }
    // `used` counts a value once for each series that has it: an upper bound of the live ones.
    if (this.values.size <= used + STALE_VALUES_MAX) return;
    this.values.compact(words);
    for (const { tuples } of this.#groups.values()) tuples.rehash();
  }
}

function nothing(): void {
  // Nobody needs to know.
}
