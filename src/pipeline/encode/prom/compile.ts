import type { FieldKind } from '../../../flow/field.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { MetricOptions } from '../../options/metric.ts';
import type { StageContext } from '../../stage.ts';
import {
  type Accumulator,
  CounterAccumulator,
  GaugeAccumulator,
  HistogramAccumulator,
} from './accumulator.ts';
import { type KeyFilter, keyFilters, type RowFilter } from './filters.ts';
import { type FlatKey, Flattener } from './flatten.ts';
import type { Label } from './group.ts';
import type { LabelValues } from './label-values.ts';
import { SeriesMetric } from './metric.ts';
import type { SeriesState } from './series-state.ts';

/** The client library's own default, in seconds. */
const DEFAULT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Names that the receivers of metrics take. */
export interface MetricNames {
  readonly metric: RegExp;
  /** Characters of a metric's name, in words. */
  readonly characters: string;
  readonly label: RegExp;
  /** Label of a histogram's buckets, which no other label may have; empty: there is none. */
  readonly bucketLabel: string;
}

export const PROMETHEUS_NAMES: MetricNames = {
  metric: /^[a-zA-Z_:][a-zA-Z0-9_:]*$/,
  characters: 'letters, digits, _ and : only',
  label: LABEL_NAME,
  bucketLabel: 'le',
};

/** Names of instruments, and any names of attributes. */
export const OTLP_NAMES: MetricNames = {
  metric: /^[a-zA-Z_:][-a-zA-Z0-9_:./]*$/,
  characters: 'letters, digits and _ : . / - only',
  label: /./,
  bucketLabel: '',
};

export interface MetricContext {
  readonly prefix: string;
  readonly path: string;
  readonly earlier: readonly MetricOptions[];
  readonly context: StageContext;
  readonly state: SeriesState;
  readonly names: MetricNames;
  /** Histograms are native ones, too. */
  readonly isNative: boolean;
  onBadValue(rows: number): void;
}

export interface CompiledMetric {
  readonly metric: SeriesMetric;
  readonly reads: readonly string[];
}

/** Checks one metric of the configuration and binds it to its columns. */
export function compileMetric(options: MetricOptions, at: MetricContext): CompiledMetric {
  const { path, context } = at;
  const name = at.prefix + options.name;
  checkName(options, name, at);
  const isList = options.type === 'agg_histogram';
  const type = options.type === 'agg_histogram' ? 'histogram' : options.type;
  const labels = compileLabels(options, at);
  const filters = keyFilters(options.filters, path, (field) => context.kindOf(field));
  for (const [index, filter] of options.filters.entries()) {
    checkPlain(filter.key, options, `${path}.filters[${index}].key`, context);
  }
  checkValue(options, path, context.kindOf(options.valueKey));
  const flat = options.flatten.length > 0;
  const flattener = flat ? compileFlattener(options, filters, labels, at.state.values) : undefined;
  const rowFilters: RowFilter[] = [];
  const reads = new Set(labels.map((label) => baseField(label.field)));
  for (const field of options.flatten) reads.add(field);
  if (options.valueKey !== '') reads.add(options.valueKey);
  for (const filter of filters) {
    for (const field of filterReads(filter)) reads.add(baseField(field));
    if (!isFlat(filterKey(filter), options)) rowFilters.push(rowFilter(filter));
    else if (filter.kind === 'row') {
      const problem = `${filter.key} is flattened, so it cannot be compared with $(…)`;
      throw configError(PIPELINE_ERRORS.metric, `${path}.filters`, problem);
    }
  }
  const metric = new SeriesMetric(
    {
      name,
      help: options.help === '' ? defaultHelp(options) : options.help,
      ...{ type, isList },
      valueKey: options.valueKey,
      valueScale: options.valueScale === 0 ? 1 : options.valueScale,
    },
    at.state.groupOf(labels),
    rowFilters,
    flattener,
    at.state.seriesOf(definitionOf(name, labels, options, at), () =>
      accumulator(type, options, at),
    ),
    at.onBadValue,
  );
  return { metric, reads: [...reads] };
}

/** The parts of a metric that its series depend on: others may change while these continue. */
function definitionOf(
  name: string,
  labels: readonly Label[],
  { type, buckets }: MetricOptions,
  { isNative }: MetricContext,
): string {
  return JSON.stringify([name, type, labels, buckets, isNative]);
}

function checkName(options: MetricOptions, name: string, at: MetricContext): void {
  const fail = (problem: string): never => {
    throw configError(PIPELINE_ERRORS.metric, `${at.path}.name`, problem);
  };
  const { metric, characters } = at.names;
  if (!metric.test(name)) fail(`"${name}" is not a metric name: ${characters}`);
  if (at.earlier.some((other) => other.name === options.name)) {
    fail(`there is another metric "${options.name}" in this stage`);
  }
}

function compileLabels(
  options: MetricOptions,
  { path, context, names: allowed }: MetricContext,
): readonly Label[] {
  const labels = options.labels.map((field, index) => {
    const place = `${path}.labels[${index}]`;
    checkPlain(field, options, place, context);
    const name = Object.hasOwn(options.remap, field) ? options.remap[field]! : field;
    const isBucket = options.type.endsWith('histogram') && name === allowed.bucketLabel;
    if (!allowed.label.test(name) || isBucket) {
      const problem = `"${name}" cannot be a label name: give it another one in remap`;
      throw configError(PIPELINE_ERRORS.metric, place, problem);
    }
    return { field, name };
  });
  const names = labels.map((label) => label.name);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice < 0) return labels;
  const problem = `label "${names[twice]}" is there twice`;
  throw configError(PIPELINE_ERRORS.metric, `${path}.labels[${twice}]`, problem);
}

/** A list cannot be a label and cannot be compared as a whole. */
function checkPlain(
  field: string,
  options: MetricOptions,
  path: string,
  context: StageContext,
): void {
  if (isFlat(field, options)) return;
  const kind = context.kindOf(field);
  if (kind === 'list<str>' || kind === 'list<u32>') {
    const problem = `field ${field} is a list: name it in flatten as well`;
    throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
  }
  if (kind === undefined) {
    context.deps.log.warn(
      { component: 'pipeline', stage: context.name, path, field },
      'no stage fills this field',
    );
  }
}

const NUMERIC: readonly (FieldKind | undefined)[] = ['u8', 'u16', 'u32', 'f64', 'any', undefined];
const NUMBERS: readonly (FieldKind | undefined)[] = ['list<u32>', 'any', undefined];

function checkValue(options: MetricOptions, path: string, kind: FieldKind | undefined): void {
  const isList = options.type === 'agg_histogram';
  if (isList && options.valueKey === '') {
    const problem = 'agg_histogram needs a field with a list of numbers';
    throw configError(PIPELINE_ERRORS.metric, `${path}.valueKey`, problem);
  }
  if ((isList ? NUMBERS : NUMERIC).includes(kind)) return;
  const wanted = isList ? 'a list of numbers' : 'a number';
  const problem = `field ${options.valueKey} holds ${kind}, but ${wanted} is needed`;
  throw configError(PIPELINE_ERRORS.fieldKind, `${path}.valueKey`, problem);
}

function accumulator(
  type: 'counter' | 'gauge' | 'histogram',
  options: MetricOptions,
  { path, isNative }: MetricContext,
): Accumulator {
  switch (type) {
    case 'counter':
      return new CounterAccumulator();
    case 'gauge':
      return new GaugeAccumulator();
    case 'histogram': {
      const bounds = options.buckets.length === 0 ? DEFAULT_BUCKETS : options.buckets;
      const wrong = bounds.findIndex((bound, index) => index > 0 && bound <= bounds[index - 1]!);
      if (wrong < 0) return new HistogramAccumulator(bounds, isNative);
      const problem = `bounds must increase, but ${bounds[wrong]} follows ${bounds[wrong - 1]}`;
      throw configError(PIPELINE_ERRORS.metric, `${path}.buckets[${wrong}]`, problem);
    }
  }
}

/** The field of `Field>Key`. */
function baseField(field: string): string {
  const end = field.indexOf('>');
  return end < 0 ? field : field.slice(0, end);
}

function isFlat(field: string, options: MetricOptions): boolean {
  return options.flatten.includes(baseField(field));
}

function compileFlattener(
  options: MetricOptions,
  filters: readonly KeyFilter[],
  labels: readonly Label[],
  values: LabelValues,
): Flattener {
  const keys = new Map<string, FlatKey[]>(options.flatten.map((field) => [field, []]));
  const tests = new Map(
    filters.map((filter) => [
      filterKey(filter),
      filter.kind === 'column' ? filter.test : undefined,
    ]),
  );
  const add = (field: string, label: number): void => {
    const base = baseField(field);
    const key = field === base ? undefined : field.slice(base.length + 1);
    keys.get(base)?.push({ key, label, test: tests.get(field) });
  };
  for (const [index, { field }] of labels.entries()) {
    if (isFlat(field, options)) add(field, index);
  }
  const labelled = new Set(labels.map((label) => label.field));
  for (const field of tests.keys()) {
    if (isFlat(field, options) && !labelled.has(field)) add(field, -1);
  }
  return new Flattener(
    keys,
    labels.map((label) => label.field),
    values,
  );
}

function filterKey(filter: KeyFilter): string {
  return filter.kind === 'column' ? filter.test.field : filter.key;
}

function filterReads(filter: KeyFilter): readonly string[] {
  return filter.kind === 'column' ? [filter.test.field] : filter.reads;
}

function rowFilter(filter: KeyFilter): RowFilter {
  if (filter.kind === 'row') return filter.rows;
  const { test } = filter;
  return { narrow: (batch, rows, count) => test.narrow(batch, rows, count, rows) };
}

function defaultHelp(options: MetricOptions): string {
  const what = options.valueKey === '' ? 'flows' : options.valueKey;
  return `${options.type} of ${what} made from flows`;
}
