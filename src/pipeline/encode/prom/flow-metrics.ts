import type { FlowBatch } from '../../../flow/batch.ts';
import type { MetricOptions } from '../../options/metric.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, StageDeps } from '../../stage.ts';
import { compileMetric, type MetricNames, PROMETHEUS_NAMES } from './compile.ts';
import { type LabelGroup, OTHER_SLOT } from './group.ts';
import type { LabelValues } from './label-values.ts';
import type { Scratch, SeriesMetric } from './metric.ts';
import { createPromMetrics, type PromMetrics } from './metrics.ts';
import { SeriesState } from './series-state.ts';

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
  /** Default: those of Prometheus. */
  readonly names?: MetricNames;
}

interface FlowMetricsLinks {
  readonly earlier?: FlowMetrics | undefined;
  readonly onHidden?: OnHidden;
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
  metrics: readonly SeriesMetric[];
  /** Columns that they are made from. */
  readonly reads: readonly string[];
  readonly #deps: StageDeps;
  readonly #state: SeriesState;
  readonly #own: PromMetrics;
  readonly #seriesMax: number;
  readonly #expiryMs: number;
  readonly #sweepMs: number;
  readonly #scratch: Scratch = {
    rows: new Uint32Array(0),
    slots: new Int32Array(0),
    values: new Float64Array(0),
  };
  #sweeper: Disposable | undefined;
  readonly #onHidden: OnHidden;

  /** `earlier`: the metrics that these replace; `takeOver` follows. */
  constructor(
    options: FlowMetricsOptions,
    context: StageContext,
    { earlier, onHidden = nothing }: FlowMetricsLinks = {},
  ) {
    this.#onHidden = onHidden;
    this.#deps = context.deps;
    this.#own = createPromMetrics(context.deps.metrics, context.name);
    this.#seriesMax = options.maxMetrics === 0 ? SERIES_MAX : options.maxMetrics;
    this.#state = earlier === undefined ? new SeriesState(this.#seriesMax) : earlier.#state;
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
          state: this.#state,
          names: options.names ?? PROMETHEUS_NAMES,
          isNative: options.nativeHistograms === true,
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

  /** Goes on with the series of the metrics that these replace; those of other metrics end. */
  takeOver(earlier: FlowMetrics): void {
    earlier.stop();
    const staying = new Set(this.metrics.map(({ seen }) => seen));
    for (const metric of earlier.metrics) if (!staying.has(metric.seen)) earlier.#end(metric);
    // Flows that are still on their way there count for what stays only.
    earlier.metrics = earlier.metrics.filter(({ seen }) => staying.has(seen));
    this.#state.budget.max = this.#seriesMax;
    this.#state.keepOnly(this.metrics);
    for (const group of this.#state.groups) this.#forgetUnused(group);
    this.start();
  }

  /** Adds the selected rows of a batch. */
  count(batch: FlowBatch): void {
    const scratch = this.#scratch;
    if (scratch.rows.length < batch.capacity) {
      scratch.rows = new Uint32Array(batch.capacity);
      scratch.slots = new Int32Array(batch.capacity);
      scratch.values = new Float64Array(batch.capacity);
    }
    for (const group of this.#state.groups) group.begin(batch);
    const now = {
      tick: this.#state.tick,
      ms: this.#deps.clock.nowMs(),
      oldest: this.#state.oldest,
    };
    let samples = 0;
    for (const metric of this.metrics) samples += metric.update(batch, scratch, now);
    this.#own.processed(samples);
    this.#own.dropped(this.#state.budget.takeRefused());
    this.#own.reported(this.#shown());
  }

  get values(): LabelValues {
    return this.#state.values;
  }

  /** Slots of the series that a metric shows. */
  slots(metric: SeriesMetric): Iterable<number> {
    return metric.slots(this.#state.oldest);
  }

  /** All families in the text format. */
  text(): string {
    return this.metrics.map((metric) => metric.text(this.#state.oldest)).join('');
  }

  #shown(): number {
    let others = 0;
    for (const { seen } of this.metrics) if (seen.isShown(OTHER_SLOT, this.#state.oldest)) others++;
    return this.#state.budget.taken + others;
  }

  #sweep(): void {
    this.#state.tick++;
    const sweeps = Math.ceil(this.#expiryMs / this.#sweepMs);
    const before = this.#state.oldest;
    this.#state.oldest = Math.max(1, this.#state.tick - sweeps);
    for (const metric of this.metrics) this.#hide(metric, before);
    const remembered = Math.max(1, this.#state.tick - sweeps * EXPIRIES_REMEMBERED);
    if (this.#forget(remembered) > this.#state.budget.max) this.#forget(this.#state.oldest);
    this.#own.reported(this.#shown());
    // Values of flows that found no room for a series are in no tuple.
    this.#compactValues();
  }

  /** Hides the series of a metric that were shown until this sweep. */
  #hide(metric: SeriesMetric, before: number): void {
    let hidden = 0;
    for (const slot of metric.slotsBetween(before, this.#state.oldest)) {
      if (slot !== OTHER_SLOT) hidden++;
      this.#onHidden(metric, slot);
    }
    this.#state.budget.give(hidden);
  }

  #end(metric: SeriesMetric): void {
    let shown = 0;
    for (const slot of metric.slots(this.#state.oldest)) {
      if (slot !== OTHER_SLOT) shown++;
      this.#onHidden(metric, slot);
    }
    this.#state.budget.give(shown);
    for (const slot of metric.slots(1)) metric.forget(slot);
  }

  /** Forgets series last seen before a tick, except those of `other`; returns how many are left. */
  #forget(before: number): number {
    let forgotten = 0;
    let left = 0;
    for (const metric of this.metrics) {
      for (const slot of metric.slotsBetween(1, this.#state.oldest)) {
        if (slot === OTHER_SLOT) continue;
        if (metric.seen.ticks[slot]! >= before) {
          left++;
          continue;
        }
        metric.forget(slot);
        forgotten++;
      }
    }
    if (forgotten > 0) for (const group of this.#state.groups) this.#forgetUnused(group);
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
    for (const { tuples } of this.#state.groups) {
      used += tuples.size * tuples.width;
      for (let slot = 1; slot < tuples.end; slot++) {
        if (tuples.has(slot)) words.push(tuples.words(slot));
      }
    }
    // `used` counts a value once for each series that has it: an upper bound of the live ones.
    if (this.#state.values.size <= used + STALE_VALUES_MAX) return;
    this.#state.values.compact(words);
    for (const { tuples } of this.#state.groups) tuples.rehash();
  }
}

function nothing(): void {
  // Nobody needs to know.
}
