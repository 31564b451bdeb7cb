import type { Component } from '../../../base/component.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { Health } from '../../../telemetry/health.ts';
import { createMetrics, type TextSource } from '../../../telemetry/metrics.ts';
import { createTelemetryServer } from '../../../telemetry/server.ts';
import { PromOptions } from '../../options/encode/prom.ts';
import { ConfigProblems } from '../../problems.ts';
import {
  type Lease,
  type Sink,
  type StageContext,
  type StageDeps,
  type StageType,
  stageType,
} from '../../stage.ts';
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

/** Counters, gauges and histograms of flows, in accumulators keyed by integers. */
export const promEncode: StageType = stageType({
  section: 'encode',
  type: 'prom',
  schema: PromOptions,
  create: (options, context) => new PromSink(options, context),
});

class PromSink implements Sink, TextSource {
  readonly kind = 'sink';
  readonly name: string;
  readonly reads: readonly string[];
  readonly names: readonly string[];
  readonly #options: PromOptions;
  readonly #deps: StageDeps;
  readonly #metrics: readonly SeriesMetric[];
  readonly #groups = new Map<string, LabelGroup>();
  readonly #values = new LabelValues();
  readonly #own: PromMetrics;
  readonly #budget: SeriesBudget;
  readonly #sweepMs: number;
  readonly #scratch: Scratch = {
    rows: new Uint32Array(0),
    slots: new Int32Array(0),
    values: new Float64Array(0),
  };
  // 0 means "never" in the series' ticks.
  #tick = 1;
  #exposed: Disposable | undefined;
  #sweeper: Disposable | undefined;
  #server: Component | undefined;

  constructor(options: PromOptions, context: StageContext) {
    this.name = context.name;
    this.#options = options;
    this.#deps = context.deps;
    this.#own = createPromMetrics(context.deps.metrics, context.name);
    const max = options.maxMetrics === 0 ? SERIES_MAX : options.maxMetrics;
    this.#budget = new SeriesBudget(max, () => this.#own.dropped());
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
    this.#metrics = compiled.map((one) => one.metric);
    this.reads = [...new Set(compiled.flatMap((one) => one.reads))];
    this.names = this.#metrics.map((metric) => metric.spec.name);
  }

  async start(signal: AbortSignal): Promise<void> {
    const { clock, log, metrics } = this.#deps;
    const { address, port, tls } = this.#options;
    this.#sweeper = clock.every(this.#sweepMs, () => this.#sweep());
    if (port === 0) {
      this.#exposed = metrics.expose(this);
      return;
    }
    const own = createMetrics('');
    this.#exposed = own.expose(this);
    const config = tls === undefined ? { address, port } : { address, port, tls };
    this.#server = createTelemetryServer(config, { log, metrics: own, health: new Health() });
    await this.#server.start(signal);
  }

  async stop(): Promise<void> {
    this.#sweeper?.[Symbol.dispose]();
    await this.#server?.stop();
    this.#exposed?.[Symbol.dispose]();
  }

  offer(batch: FlowBatch, lease: Lease): boolean {
    this.#count(batch);
    lease.arrived(batch.selected);
    return true;
  }

  text(): string {
    return this.#metrics.map((metric) => metric.text()).join('');
  }

  #count(batch: FlowBatch): void {
    const scratch = this.#scratch;
    if (scratch.rows.length < batch.capacity) {
      scratch.rows = new Uint32Array(batch.capacity);
      scratch.slots = new Int32Array(batch.capacity);
      scratch.values = new Float64Array(batch.capacity);
    }
    for (const group of this.#groups.values()) group.begin(batch);
    let samples = 0;
    for (const metric of this.#metrics) samples += metric.update(batch, scratch, this.#tick);
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
    const oldest = this.#tick - Math.ceil(this.#options.expiryTime / this.#sweepMs);
    let gone = 0;
    for (const metric of this.#metrics) gone += metric.expire(oldest);
    for (let i = 0; i < gone; i++) this.#budget.give();
    if (gone === 0) return;
    for (const group of this.#groups.values()) this.#forgetUnused(group);
    this.#own.reported(this.#budget.taken);
    this.#compactValues();
  }

  /** Releases the tuples that no metric has a series for. */
  #forgetUnused(group: LabelGroup): void {
    const users = this.#metrics.filter((metric) => metric.group === group);
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
