import type { Accumulator } from './accumulator.ts';
import { SeriesBudget } from './budget.ts';
import { type Label, LabelGroup, SeenSeries } from './group.ts';
import { LabelValues } from './label-values.ts';

/** The series of a metric, and what they have counted. */
export interface Series {
  readonly seen: SeenSeries;
  readonly accumulator: Accumulator;
}

/**
 * Everything that the metrics of a stage have counted. When the stage is replaced, it goes on with
 * this: series of metrics that both have continue.
 */
export class SeriesState {
  readonly values = new LabelValues();
  readonly budget: SeriesBudget;
  // 0 means "never" in the series' ticks.
  tick = 1;
  /** Series that were last seen before this tick are hidden. */
  oldest = 1;
  readonly #groups = new Map<string, LabelGroup>();
  /** By the parts of a metric's definition that its series depend on. */
  readonly #series = new Map<string, Series>();

  constructor(max: number) {
    this.budget = new SeriesBudget(max);
  }

  get groups(): Iterable<LabelGroup> {
    return this.#groups.values();
  }

  groupOf(labels: readonly Label[]): LabelGroup {
    const key = JSON.stringify(labels);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const group = new LabelGroup(labels, this.values, this.budget);
    this.#groups.set(key, group);
    return group;
  }

  seriesOf(definition: string, make: () => Accumulator): Series {
    const known = this.#series.get(definition);
    if (known !== undefined) return known;
    const series = { seen: new SeenSeries(), accumulator: make() };
    this.#series.set(definition, series);
    return series;
  }

  /** Forgets what no metric uses any more. */
  keepOnly(users: Iterable<{ readonly seen: SeenSeries; readonly group: LabelGroup }>): void {
    const used = new Set<unknown>();
    for (const { seen, group } of users) used.add(seen).add(group);
    for (const [key, { seen }] of this.#series) if (!used.has(seen)) this.#series.delete(key);
    for (const [key, group] of this.#groups) if (!used.has(group)) this.#groups.delete(key);
  }
}
