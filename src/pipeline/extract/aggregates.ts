import type { Clock } from '../../base/clock.ts';
import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { Row } from '../../flow/row.ts';
import type { Inlet } from '../graph/inlet.ts';
import { type AggregateRule, AggregatesOptions } from '../options/extract/aggregates.ts';
import { ConfigProblems } from '../problems.ts';
import { type Extractor, type StageContext, type StageType, stageType } from '../stage.ts';
import { Groups } from './groups.ts';
import { createGroupMetrics, type GroupMetrics } from './metrics.ts';
import { gatherNumbers } from './numbers.ts';
import { Results } from './results.ts';
import { RowWriter } from './row-writer.ts';
import { keyColumns, requireNumbers } from './rule.ts';

/** Groups of one rule. A group takes some 100 bytes, and its values. */
const GROUPS_MAX = 100_000;
/** Raw values of a group between two ticks. */
const RAW_VALUES_MAX = 10_000;
/** Period of the batches of `flowlogs-pipeline`. */
const PERIOD_MS = 5000;
/**
 * The groups are written in slices, so that other work need not wait for all: one takes some 10 ms.
 */
const SLICE_GROUPS = 2048;
const TICK_MS = 50;
const EXPIRY_MS = 120_000;

/** Groups flows and keeps results. */
export const aggregatesExtract: StageType = stageType({
  section: 'extract',
  type: 'aggregates',
  schema: AggregatesOptions,
  create: (options, context) => new Aggregates(options, context),
});

class Aggregates implements Extractor {
  readonly kind = 'extractor';
  readonly name: string;
  readonly reads: readonly string[];
  readonly columns: readonly ColumnSpec[];
  readonly tickMs = TICK_MS;
  readonly #context: StageContext;
  readonly #rules: readonly Aggregate[];
  /** When the last round of writing was due. */
  #roundMs = Number.NaN;
  /** Rules of the round that are not completely written. */
  #left: readonly Aggregate[] = [];

  constructor(options: AggregatesOptions, context: StageContext) {
    this.name = context.name;
    this.#context = context;
    const problems = new ConfigProblems();
    const keys = options.rules.map((rule, index) =>
      problems.attempt(() => checkRule(rule, `rules[${index}]`, context)),
    );
    problems.throwAll();
    this.columns = [...OWN_COLUMNS, ...keys.flatMap((columns) => columns ?? [])];
    const { rules, defaultExpiryTime } = options;
    this.reads = rules.flatMap(({ groupByKeys, operationKey }) =>
      operationKey === '' ? groupByKeys : [...groupByKeys, operationKey],
    );
    const metrics = createGroupMetrics(context.deps.metrics, context.name);
    this.#rules = rules.map((rule) => {
      const expiryMs = rule.expiryTime || defaultExpiryTime || EXPIRY_MS;
      return new Aggregate(rule, expiryMs, metrics);
    });
  }

  get #clock(): Clock {
    return this.#context.deps.clock;
  }

  push(batch: FlowBatch): void {
    const nowMs = this.#clock.monotonicMs();
    for (const rule of this.#rules) rule.update(batch, nowMs, this.#context.counts);
  }

  tick(inlet: Inlet): void {
    const nowMs = this.#clock.monotonicMs();
    if (Number.isNaN(this.#roundMs)) this.#roundMs = nowMs - TICK_MS;
    const sinceMs = nowMs - this.#roundMs;
    // A round that takes longer than a period delays the next one.
    if (sinceMs >= PERIOD_MS && this.#left.length === 0) {
      this.#roundMs = nowMs - (sinceMs % PERIOD_MS);
      this.#begin();
      for (const rule of this.#rules) rule.expire(nowMs);
    }
    if (this.#left.length > 0) this.#write(inlet, SLICE_GROUPS);
  }

  flush(inlet: Inlet): void {
    this.#begin();
    this.#write(inlet, Number.POSITIVE_INFINITY);
  }

  #begin(): void {
    for (const rule of this.#rules) rule.begin();
    this.#left = this.#rules;
  }

  /** Writes the next groups of the round. */
  #write(inlet: Inlet, groupsMax: number): void {
    const writer = new RowWriter(inlet);
    let room = groupsMax;
    this.#left = this.#left.filter((rule) => {
      room = rule.write(writer, room);
      return !rule.isWritten;
    });
    for (const [field, values] of writer.end()) this.#context.counts.unconverted(field, values);
  }
}

const OWN_COLUMNS: readonly ColumnSpec[] = [
  { name: 'name', kind: 'str' },
  { name: 'operation_type', kind: 'str' },
  { name: 'operation_key', kind: 'str' },
  { name: 'by', kind: 'str' },
  { name: 'aggregate', kind: 'str' },
  { name: 'total_value', kind: 'f64' },
  { name: 'total_count', kind: 'f64' },
  { name: 'recent_raw_values', kind: 'any' },
  { name: 'recent_op_value', kind: 'f64' },
  { name: 'recent_count', kind: 'f64' },
];

/** Columns of the keys of a rule. */
function checkRule(
  rule: AggregateRule,
  option: string,
  context: StageContext,
): readonly ColumnSpec[] {
  const { groupByKeys, operationType, operationKey } = rule;
  const problems = new ConfigProblems();
  const columns =
    problems.attempt(() => keyColumns(groupByKeys, `${option}.groupByKeys`, context)) ?? [];
  problems.attempt(() => requireNumbers(operationType, operationKey, option, context));
  problems.throwAll();
  // The one key itself has this name, too.
  const joined = groupByKeys.length > 1 ? groupByKeys.join('_') : undefined;
  return joined === undefined ? columns : [...columns, { name: joined, kind: 'str' }];
}

/** The results of one rule, by slot of the group. */
class Aggregate {
  readonly #rule: AggregateRule;
  readonly #expiryMs: number;
  readonly #metrics: GroupMetrics;
  readonly #groups: Groups;
  /** Keys by name, as places in `groupByKeys`. */
  readonly #sorted: readonly number[];
  #numbers = new Float64Array(0);
  #lastMs = new Float64Array(0);
  readonly #total = new Results();
  readonly #recent = new Results();
  #raw: number[][] = [];
  /** Slot of the group that is written next. */
  #next = 1;

  constructor(rule: AggregateRule, expiryMs: number, metrics: GroupMetrics) {
    this.#rule = rule;
    this.#expiryMs = expiryMs;
    this.#metrics = metrics;
    const { groupByKeys } = rule;
    this.#groups = new Groups(groupByKeys, GROUPS_MAX, () => true);
    const places = [...groupByKeys.keys()];
    this.#sorted = places.sort((a, b) => (groupByKeys[a]! < groupByKeys[b]! ? -1 : 1));
  }

  update(batch: FlowBatch, nowMs: number, counts: StageContext['counts']): void {
    const { operationType, operationKey, name } = this.#rule;
    const groups = this.#groups;
    groups.resolve(batch);
    const { rows, slots, count } = groups;
    this.#reserve(batch.capacity);
    const numbers = this.#numbers;
    if (operationType === 'count') numbers.fill(1, 0, count);
    else {
      const failures = gatherNumbers(batch, operationKey, rows, count, numbers);
      if (failures > 0) counts.unconverted(operationKey, failures);
    }
    for (let i = 0; i < count; i++) this.#lastMs[slots[i]!] = nowMs;
    this.#total.add(slots, numbers, count);
    this.#recent.add(slots, numbers, count);
    const lost = operationType === 'raw_values' ? this.#collect(slots, numbers, count) : 0;
    this.#metrics.rejected(name, groups.rejected + lost);
    this.#metrics.groups(name, groups.size);
  }

  expire(nowMs: number): void {
    this.#groups.retain((slot) => {
      if (this.#lastMs[slot]! + this.#expiryMs > nowMs) return true;
      this.#total.clear(slot);
      this.#recent.clear(slot);
      if (this.#rule.operationType === 'raw_values') this.#raw[slot] = [];
      return false;
    });
    this.#metrics.groups(this.#rule.name, this.#groups.size);
  }

  begin(): void {
    this.#next = 1;
  }

  get isWritten(): boolean {
    return this.#next >= this.#groups.end;
  }

  /**
   * Writes a flow for each of the next groups, whose recent results begin anew. Returns how many
   * more may be written.
   */
  write(writer: RowWriter, groupsMax: number): number {
    let room = groupsMax;
    for (; !this.isWritten && room > 0; this.#next++) {
      const slot = this.#next;
      if (this.#groups.has(slot)) {
        writer.write(this.#rowOf(slot));
        room--;
      }
      this.#recent.clear(slot);
      if (this.#rule.operationType === 'raw_values') this.#raw[slot] = [];
    }
    return room;
  }

  #rowOf(slot: number): Row {
    const { name, groupByKeys, operationType, operationKey } = this.#rule;
    const texts = this.#sorted.map((key) => this.#groups.text(slot, key));
    const aggregate = texts.join(',');
    return {
      name,
      operation_type: operationType,
      operation_key: operationKey,
      by: groupByKeys.join(','),
      aggregate,
      total_value: this.#total.value(slot, operationType),
      total_count: this.#total.flows(slot),
      recent_raw_values: operationType === 'raw_values' ? this.#raw[slot] : undefined,
      recent_op_value: this.#recent.value(slot, operationType),
      recent_count: this.#recent.flows(slot),
      ...(groupByKeys.length > 1 && { [groupByKeys.join('_')]: aggregate }),
      ...Object.fromEntries(groupByKeys.map((key, at) => [key, this.#groups.text(slot, at)])),
    };
  }

  #collect(slots: Uint32Array, numbers: Float64Array, count: number): number {
    let lost = 0;
    for (let i = 0; i < count; i++) {
      const number = numbers[i]!;
      if (Number.isNaN(number)) continue;
      const values = this.#raw[slots[i]!]!;
      if (values.length < RAW_VALUES_MAX) values.push(number);
      else lost++;
    }
    return lost;
  }

  #reserve(rows: number): void {
    if (this.#numbers.length < rows) this.#numbers = new Float64Array(rows);
    const { capacity } = this.#groups;
    if (this.#lastMs.length >= capacity) return;
    const lastMs = new Float64Array(capacity);
    lastMs.set(this.#lastMs);
    this.#lastMs = lastMs;
    this.#total.reserve(capacity);
    this.#recent.reserve(capacity);
    if (this.#rule.operationType !== 'raw_values') return;
    while (this.#raw.length < capacity) this.#raw.push([]);
  }
}
