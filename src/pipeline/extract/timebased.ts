import type { ColumnSpec, FlowBatch } from '../../flow/batch.ts';
import type { Row } from '../../flow/row.ts';
import type { Inlet } from '../graph/inlet.ts';
import { TimebasedOptions, type TimebasedRule } from '../options/extract/timebased.ts';
import { ConfigProblems } from '../problems.ts';
import { type Extractor, type StageContext, type StageType, stageType } from '../stage.ts';
import { Groups } from './groups.ts';
import { createGroupMetrics, type GroupMetrics } from './metrics.ts';
import { gatherNumbers } from './numbers.ts';
import { Results } from './results.ts';
import { RowWriter } from './row-writer.ts';
import { keyColumns, requireNumbers, requireOption } from './rule.ts';
import { Window } from './window.ts';

/** Flows in the window of one rule; each takes 20 bytes. */
const WINDOW_MAX_FLOWS = 2 ** 20;
const GROUPS_MAX = 100_000;
/** Period of the batches of `flowlogs-pipeline`. */
const TICK_MS = 5000;

/** Ranks groups of flows by a result over the last time. */
export const timebasedExtract: StageType = stageType({
  section: 'extract',
  type: 'timebased',
  schema: TimebasedOptions,
  create: (options, context) => new Timebased(options, context),
});

class Timebased implements Extractor {
  readonly kind = 'extractor';
  readonly name: string;
  readonly reads: readonly string[];
  readonly columns: readonly ColumnSpec[];
  readonly tickMs = TICK_MS;
  readonly #context: StageContext;
  readonly #rules: readonly Ranking[];

  constructor({ rules }: TimebasedOptions, context: StageContext) {
    this.name = context.name;
    this.#context = context;
    const problems = new ConfigProblems();
    const columns = rules.map((rule, index) =>
      problems.attempt(() => checkRule(rule, `rules[${index}]`, context)),
    );
    problems.throwAll();
    this.columns = [
      { name: 'name', kind: 'str' },
      { name: 'index_key', kind: 'str' },
      { name: 'operation', kind: 'str' },
      ...columns.flatMap((own) => own ?? []),
    ];
    this.reads = rules.flatMap((rule) =>
      rule.operationKey === '' ? keysOf(rule) : [...keysOf(rule), rule.operationKey],
    );
    const metrics = createGroupMetrics(context.deps.metrics, context.name);
    this.#rules = rules.map((rule) => new Ranking(rule, metrics));
  }

  push(batch: FlowBatch): void {
    const nowMs = this.#context.deps.clock.monotonicMs();
    for (const rule of this.#rules) rule.update(batch, nowMs, this.#context.counts);
  }

  tick(inlet: Inlet): void {
    const nowMs = this.#context.deps.clock.monotonicMs();
    const writer = new RowWriter(inlet);
    for (const rule of this.#rules) rule.write(nowMs, writer);
    for (const [field, values] of writer.end()) this.#context.counts.unconverted(field, values);
  }

  flush(inlet: Inlet): void {
    this.tick(inlet);
  }
}

function keysOf({ indexKeys, indexKey }: TimebasedRule): readonly string[] {
  return indexKey === '' ? indexKeys : [...indexKeys, indexKey];
}

function resultOf({ operationKey }: TimebasedRule): string {
  return operationKey === '' ? 'count' : operationKey;
}

/** Columns of the keys and of the result of a rule. */
function checkRule(
  rule: TimebasedRule,
  option: string,
  context: StageContext,
): readonly ColumnSpec[] {
  const { operationType, operationKey, indexKeys, indexKey } = rule;
  const problems = new ConfigProblems();
  const keys = problems.attempt(() => [
    ...keyColumns(indexKeys, `${option}.indexKeys`, context),
    ...(indexKey === '' ? [] : keyColumns([indexKey], `${option}.indexKey`, context)),
  ]);
  problems.attempt(() => {
    const isNamed = keysOf(rule).length > 0;
    requireOption(isNamed, `${option}.indexKeys`, 'names no field: one is needed', context);
  });
  problems.attempt(() => requireNumbers(operationType, operationKey, option, context));
  const result = resultOf(rule);
  problems.attempt(() => {
    const known = context.declaredKind(result);
    const problem = `field ${result} holds ${known}, but the result is f64`;
    const isRight = known === undefined || known === 'f64';
    requireOption(isRight, `${option}.operationKey`, problem, context);
  });
  problems.throwAll();
  return [...(keys ?? []), { name: result, kind: 'f64' }];
}

/** The window of one rule, and the groups of its flows. */
class Ranking {
  readonly #rule: TimebasedRule;
  readonly #metrics: GroupMetrics;
  readonly #groups: Groups;
  readonly #window = new Window(WINDOW_MAX_FLOWS);
  readonly #results = new Results();
  #numbers = new Float64Array(0);

  constructor(rule: TimebasedRule, metrics: GroupMetrics) {
    this.#rule = rule;
    this.#metrics = metrics;
    this.#groups = new Groups(keysOf(rule), GROUPS_MAX, (value) => value !== '');
  }

  update(batch: FlowBatch, nowMs: number, counts: StageContext['counts']): void {
    const { operationType, operationKey, name } = this.#rule;
    const groups = this.#groups;
    groups.resolve(batch);
    const { rows, slots, count } = groups;
    if (this.#numbers.length < count) this.#numbers = new Float64Array(batch.capacity);
    if (operationType === 'count') this.#numbers.fill(1, 0, count);
    else {
      const failures = gatherNumbers(batch, operationKey, rows, count, this.#numbers);
      if (failures > 0) counts.unconverted(operationKey, failures);
    }
    let evicted = 0;
    for (let i = 0; i < count; i++) {
      if (this.#window.add(nowMs, slots[i]!, this.#numbers[i]!)) evicted++;
    }
    this.#metrics.rejected(name, groups.rejected + evicted);
    this.#metrics.groups(name, groups.size);
  }

  /** Writes a flow for each of the first groups; forgets those that have left the window. */
  write(nowMs: number, writer: RowWriter): void {
    const { name, operationType, topK, reversed, timeInterval } = this.#rule;
    const groups = this.#groups;
    const results = this.#results;
    results.reserve(groups.capacity);
    for (let slot = 1; slot < groups.end; slot++) results.clear(slot);
    this.#window.expire(nowMs - timeInterval);
    this.#window.addTo(results);
    groups.retain((slot) => results.flows(slot) > 0);
    this.#metrics.groups(name, groups.size);
    const ranked: { readonly slot: number; readonly value: number }[] = [];
    for (let slot = 1; slot < groups.end; slot++) {
      const value = groups.has(slot) ? results.value(slot, operationType) : undefined;
      if (value !== undefined) ranked.push({ slot, value });
    }
    ranked.sort((left, right) => (reversed ? left.value - right.value : right.value - left.value));
    const shown = topK === 0 ? ranked : ranked.slice(0, topK);
    for (const { slot, value } of shown) writer.write(this.#rowOf(slot, value));
  }

  #rowOf(slot: number, value: number): Row {
    const { name, operationType } = this.#rule;
    const { keys } = this.#groups;
    return {
      name,
      index_key: keys.join(','),
      operation: operationType,
      [resultOf(this.#rule)]: value,
      ...Object.fromEntries(keys.map((key, at) => [key, this.#groups.text(slot, at)])),
    };
  }
}
