import type { FlowBatch } from '../../../flow/batch.ts';
import type { MetricOptions } from '../../options/metric.ts';
import { ConfigProblems } from '../../problems.ts';
import type { StageContext, StageDeps } from '../../stage.ts';
import { SeriesBudget } from './budget.ts';
import { compileMetric } from './compile.ts';
import { LabelGroup } from './group.ts';
import { LabelValues } from './label-values.ts';
import type { Scratch, SeriesMetric } from './metric.ts';
import { createPromMetrics, type PromMetrics } from './metrics.ts';

/** Default limit of series of one stage: about 100 bytes each, plus their text. */
export const SERIES_MAX = 1_000_000;
/** Series are swept this many times per expiry time, so none outlives it by more than a quarter. */
const SWEEPS_PER_EXPIRY = 4;
const SWEEP_INTERVAL_MIN_MS = 1000;
/** Up to this many unused label values are tolerated. */
const STALE_VALUES_MAX = 10_000;

export interface FlowMetricsOptions {
  readonly prefix: string;
  readonly metrics: readonly MetricOptions[];
  /** Time without flows after which a series is removed, milliseconds. */
  readonly expiryTime: number;
  /** Limit on the series of all metrics; 0: `SERIES_MAX`. */
  readonly maxMetrics: number;
}

/** The metrics of one stage: what they count, their series, and how long a series lives. */
export class FlowMetrics {
  readonly metrics: readonly SeriesMetric[];
  /** Columns that they are made from. */
  readonly reads: readonly string[];
  readonly #deps: StageDeps;
  readonly #groups = new Map<string, LabelGroup>();
  readonly #values = new LabelValues();
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
  #sweeper: Disposable | undefined;

  constructor(options: FlowMetricsOptions, context: StageContext) {
    this.#deps = context.deps;
    this.#own = createPromMetrics(context.deps.metrics, context.name);
    const max = options.maxMetrics === 0 ? SERIES_MAX : options.maxMetrics;
    this.#budget = new SeriesBudget(max, () => this.#own.dropped());
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
          values: this.#values,
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
    const now = { tick: this.#tick, ms: this.#deps.clock.nowMs() };
    let samples = 0;
    for (const metric of this.metrics) samples += metric.update(batch, scratch, now);
    this.#own.processed(samples);
    this.#own.reported(this.#budget.taken);
  }

  #groupOf(labels: LabelGroup['labels']): LabelGroup {
    const key = JSON.stringify(labels);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new LabelGroup(labels, this.#values, this.#budget);
    this.#groups.set(key, group);
    return group;
  }

  #sweep(): void {
    this.#tick++;
    const oldest = this.#tick - Math.ceil(this.#expiryMs / this.#sweepMs);
    let gone = 0;
    for (const metric of this.metrics) gone += metric.expire(oldest);
    for (let i = 0; i < gone; i++) this.#budget.give();
    if (gone > 0) {
      for (const group of this.#groups.values()) this.#forgetUnused(group);
      this.#own.reported(this.#budget.taken);
    }
    // Values of flows that found no room for a series are in no tuple.
    this.#compactValues();
  }

  /** Releases the tuples that no metric has a series for. */
  #forgetUnused(group: LabelGroup): void {
    const users = this.metrics.filter((metric) => metric.group === group);
    let forgotten = 0;
    for (let slot = 1; slot < group.tuples.end; slot++) {
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
    if (this.#values.size <= used + STALE_VALUES_MAX) return;
    this.#values.compact(words);
    for (const { tuples } of this.#groups.values()) tuples.rehash();
  }
}
