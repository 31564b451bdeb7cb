import type { FlowBatch } from '../../../flow/batch.ts';
import type { FieldKind } from '../../../flow/field.ts';
import { ColumnTest } from '../../column-test.ts';
import type { MetricFilter } from '../../options/metric.ts';
import { patternAt } from '../../patterns.ts';
import { cellText } from '../../row-text.ts';
import { fieldsIn, filled } from '../../templates.ts';
import { canonical } from '../../transform/filter/remove-entry.ts';

/** Removes rows from `rows[0 .. count]` in place and returns how many are left. */
export interface RowFilter {
  narrow(batch: FlowBatch, rows: Uint32Array, count: number): number;
}

/** A filter of one key with all its alternatives in the configuration. */
export type KeyFilter =
  | { readonly kind: 'column'; readonly test: ColumnTest }
  /** Refers to other fields by `$(Field)`. */
  | {
      readonly kind: 'row';
      readonly key: string;
      readonly rows: RowFilter;
      readonly reads: readonly string[];
    };

type Alternative = (text: string | undefined) => boolean;

/** Filters with one key are alternatives; those of different keys must all hold. */
export function keyFilters(
  filters: readonly MetricFilter[],
  path: string,
  kindOf: (field: string) => FieldKind | undefined,
): readonly KeyFilter[] {
  const byKey = new Map<string, { readonly filter: MetricFilter; readonly path: string }[]>();
  for (const [index, filter] of filters.entries()) {
    const entry = { filter, path: `${path}.filters[${index}]` };
    byKey.set(filter.key, [...(byKey.get(filter.key) ?? []), entry]);
  }
  return [...byKey].map(([key, entries]): KeyFilter => {
    const kind = kindOf(key);
    if (entries.some(({ filter }) => isTemplate(filter))) {
      const rows = new TemplateFilter(
        key,
        entries.map(({ filter, path }) => rowTest(filter, path, kind)),
      );
      return {
        kind: 'row',
        key,
        rows,
        reads: [key, ...entries.flatMap((one) => fieldsIn(one.filter.value))],
      };
    }
    // A single filter that only tests presence needs no text.
    const [only] = entries;
    if (entries.length === 1 && only !== undefined) {
      const { type } = only.filter;
      if (type === 'presence') return { kind: 'column', test: new ColumnTest(key, false, true) };
      if (type === 'absence') return { kind: 'column', test: new ColumnTest(key, true, false) };
    }
    const alternatives = entries.map(({ filter, path }) => alternative(filter, path, kind));
    const test = new ColumnTest(
      key,
      alternatives.some((passes) => passes(undefined)),
      (text) => alternatives.some((passes) => passes(text)),
    );
    return { kind: 'column', test };
  });
}

function alternative(filter: MetricFilter, path: string, kind: FieldKind | undefined): Alternative {
  const wanted = canonical(filter.value, kind);
  switch (filter.type) {
    case 'equal':
      return (text) => text === wanted;
    case 'not_equal':
      return (text) => text !== wanted;
    case 'presence':
      return (text) => text !== undefined;
    case 'absence':
      return (text) => text === undefined;
    case 'match_regex': {
      const pattern = patternAt(filter.value, `${path}.value`);
      return (text) => text !== undefined && pattern.test(text);
    }
    case 'not_match_regex': {
      const pattern = patternAt(filter.value, `${path}.value`);
      return (text) => text === undefined || !pattern.test(text);
    }
  }
}

type RowTest = (text: string | undefined, other: (field: string) => string) => boolean;

function isTemplate({ type, value }: MetricFilter): boolean {
  return (type === 'equal' || type === 'not_equal') && fieldsIn(value).length > 0;
}

function rowTest(filter: MetricFilter, path: string, kind: FieldKind | undefined): RowTest {
  if (!isTemplate(filter)) {
    const passes = alternative(filter, path, kind);
    return (text) => passes(text);
  }
  const fill = (other: (field: string) => string): string => filled(filter.value, other);
  return filter.type === 'equal'
    ? (text, other) => text !== undefined && text === fill(other)
    : (text, other) => text !== fill(other);
}

/** Makes texts row by row: only used by filters that compare two fields of a flow. */
class TemplateFilter implements RowFilter {
  readonly #key: string;
  readonly #tests: readonly RowTest[];

  constructor(key: string, tests: readonly RowTest[]) {
    this.#key = key;
    this.#tests = tests;
  }

  narrow(batch: FlowBatch, rows: Uint32Array, count: number): number {
    let left = 0;
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      const text = cellText(batch, this.#key, row);
      const other = (field: string): string => cellText(batch, field, row) ?? '';
      if (this.#tests.some((test) => test(text, other))) rows[left++] = row;
    }
    return left;
  }
}
