import type { Row } from './rows.ts';

/** Samples by name and labels, as `name{a="x",b="y"}` with the labels sorted. */
export type Samples = Map<string, number>;

export interface Metric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly valueKey?: string;
  readonly valueScale?: number;
  readonly labels?: readonly string[];
  readonly remap?: Readonly<Record<string, string>>;
  readonly flatten?: readonly string[];
  readonly buckets?: readonly number[];
  readonly filters?: readonly {
    readonly key: string;
    readonly value?: string;
    readonly type?: string;
  }[];
}

/** Adds a flow to the samples of a metric: the meaning of `encode: prom`, slow and obvious. */
export function observe(samples: Samples, prefix: string, metric: Metric, flow: Row): void {
  for (const row of flattened(flow, metric.flatten ?? [])) {
    if (!passes(row, flow, metric)) continue;
    const value = metric.valueKey === undefined ? 1 : row[metric.valueKey];
    if (value === undefined) continue;
    const scaled = Number(value) / (metric.valueScale || 1);
    const labels = (metric.labels ?? []).map(
      (field) => [metric.remap?.[field] ?? field, String(row[field] ?? '')] as const,
    );
    add(samples, prefix + metric.name, metric, labels, scaled);
  }
}

type Labels = readonly (readonly [string, string])[];

function add(samples: Samples, name: string, metric: Metric, labels: Labels, value: number): void {
  const bump = (key: string, by: number): void => {
    samples.set(key, (samples.get(key) ?? 0) + by);
  };
  switch (metric.type) {
    case 'counter':
      bump(sampleKey(name, labels), value);
      return;
    case 'gauge':
      samples.set(sampleKey(name, labels), value);
      return;
    case 'histogram':
      for (const bound of [...(metric.buckets ?? []), Number.POSITIVE_INFINITY]) {
        const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound);
        bump(sampleKey(`${name}_bucket`, [...labels, ['le', le]]), value <= bound ? 1 : 0);
      }
      bump(sampleKey(`${name}_sum`, labels), value);
      bump(sampleKey(`${name}_count`, labels), 1);
  }
}

export function sampleKey(name: string, labels: Labels): string {
  const sorted = [...labels].sort(([left], [right]) => (left < right ? -1 : 1));
  return `${name}{${sorted.map(([label, value]) => `${label}=${JSON.stringify(value)}`).join(',')}}`;
}

/** Filters of one key are alternatives, those of different keys must all hold. */
function passes(row: Row, flow: Row, metric: Metric): boolean {
  const filters = metric.filters ?? [];
  return filters.every(({ key }) =>
    filters.some((filter) => filter.key === key && holds(row, flow, filter)),
  );
}

function holds(
  row: Row,
  flow: Row,
  filter: { readonly key: string; readonly value?: string; readonly type?: string },
): boolean {
  const value = row[filter.key];
  const wanted = (filter.value ?? '').replace(/\$\(([^)]+)\)/g, (_all, field: string) =>
    String(flow[field] ?? ''),
  );
  switch (filter.type ?? 'equal') {
    case 'presence':
      return value !== undefined;
    case 'absence':
      return value === undefined;
    case 'match_regex':
      return value !== undefined && new RegExp(wanted).test(String(value));
    case 'not_match_regex':
      return value === undefined || !new RegExp(wanted).test(String(value));
    case 'not_equal':
      return value === undefined || String(value) !== wanted;
    default:
      return value !== undefined && String(value) === wanted;
  }
}

/** One row per element of the list fields, per combination when there are several. */
function flattened(flow: Row, fields: readonly string[]): readonly Row[] {
  let rows: readonly Row[] = [flow];
  for (const field of fields) {
    rows = rows.flatMap((row) => {
      const { [field]: list, ...rest } = row;
      const items = Array.isArray(list) && list.length > 0 ? list : [undefined];
      return items.map((item: unknown): Row => {
        if (item === undefined) return rest;
        if (typeof item !== 'object' || item === null) return { ...rest, [field]: item };
        const subs = Object.entries(item).map(([key, value]) => [`${field}>${key}`, value]);
        return { ...rest, ...Object.fromEntries(subs) };
      });
    });
  }
  return rows;
}

/** Parses the text format; comment lines are left out. */
export function parseSamples(text: string): Samples {
  const samples: Samples = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([^{ ]+)(?:\{(.*)\})? ([^ ]+)$/.exec(line);
    if (match === null) throw new Error(`no sample: ${line}`);
    const [, name, labelText = '', value] = match;
    const labels = [...labelText.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g)].map(
      ([, label, raw]) => [label!, unescaped(raw!)] as const,
    );
    const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
    samples.set(sampleKey(name!, labels), number);
  }
  return samples;
}

function unescaped(raw: string): string {
  return raw.replace(/\\(.)/g, (_all, character: string) => (character === 'n' ? '\n' : character));
}
