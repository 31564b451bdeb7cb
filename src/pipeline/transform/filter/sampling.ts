import { systemRandom } from '../../../base/clock.ts';
import type { FlowBatch } from '../../../flow/batch.ts';
import { hasBit, setBit } from '../../../flow/bits.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { RuleOf } from '../../options/transform/filter.ts';
import type { StageContext, Transform } from '../../stage.ts';
import type { Narrow } from '../select.ts';
import { compileExpression } from './expression/compile.ts';
import { ExpressionError } from './expression/lex.ts';
import { parseExpression } from './expression/parse.ts';
import { anyOf, Scratch, without } from './expression/row-sets.ts';
import { allHold, filtering } from './remove-entry.ts';

type KeepRule = RuleOf<'keep_entry_query'>;

/** A rule and its path in the configuration. */
export interface PlacedRule {
  readonly rule: KeepRule;
  readonly path: string;
}

/**
 * Keeps the flows that meet one of the queries. A flow that a query's sampling leaves out may still
 * be kept by a later query.
 */
export function keepEntries(
  rules: readonly PlacedRule[],
  samplingField: string,
  context: StageContext,
): Transform {
  const { random = systemRandom } = context.deps;
  const reads = new Set<string>();
  const scales = samplingField !== '' && rules.some(({ rule }) => rule.keepEntrySampling > 1);
  const terms = rules.map(({ rule, path }): Narrow => {
    const query = compileQuery(rule.keepEntryQuery, path, context);
    for (const field of query.reads) reads.add(field);
    const rate = rule.keepEntrySampling;
    if (rate <= 1) return query.narrow;
    const sampled = sampledOf(query.narrow, rate, random);
    return scales ? scaling(sampled, samplingField, rate) : sampled;
  });
  const kept = filtering('keep_entry_query', [...reads], anyOf(terms));
  if (!scales) return kept;
  const kind = context.declaredKind(samplingField) ?? 'f64';
  if (!SCALED.includes(kind)) {
    const problem = `field ${samplingField} holds ${kind}, but a sampling rate is a number`;
    throw configError(PIPELINE_ERRORS.fieldKind, `${context.path}.samplingField`, problem);
  }
  return {
    ...kept,
    reads: [...reads, samplingField],
    writes: [{ name: samplingField, kind }],
  };
}

const SCALED: readonly string[] = ['u8', 'u16', 'u32', 'f64'];

function compileQuery(text: string, path: string, context: StageContext) {
  try {
    return compileExpression(parseExpression(text), (field) => context.kindOf(field));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    const before = text.slice(0, error.at);
    const problem = `${error.message} (character ${before.length + 1})`;
    throw configError(PIPELINE_ERRORS.expression, `${path}.keepEntryQuery`, problem, error);
  }
}

/** One in `rate` of the matching rows, by chance. */
function sampledOf(narrow: Narrow, rate: number, random: () => number): Narrow {
  return (batch, rows, count, kept) => {
    const matching = narrow(batch, rows, count, kept);
    let left = 0;
    for (let i = 0; i < matching; i++) {
      if (random() * rate < 1) kept[left++] = kept[i]!;
    }
    return left;
  };
}

/** Multiplies the sampling rate of the rows that are kept; an absent one counts as 1, as does 0. */
function scaling(narrow: Narrow, field: string, rate: number): Narrow {
  return (batch, rows, count, kept) => {
    const left = narrow(batch, rows, count, kept);
    if (batch.has(field)) scale(batch, field, rate, kept, left);
    return left;
  };
}

function scale(
  batch: FlowBatch,
  field: string,
  rate: number,
  rows: Uint32Array,
  count: number,
): void {
  const column = batch.column(field);
  if (!('present' in column)) return;
  for (let i = 0; i < count; i++) {
    const row = rows[i]!;
    const old = hasBit(column.present, row) ? column.values[row]! : 1;
    column.values[row] = Math.max(old, 1) * rate;
    setBit(column.present, row);
  }
}

/** Keeps 1 in `value` of the flows that meet the conditions of the first entry that they meet. */
export function conditionalSampling(
  entries: RuleOf<'conditional_sampling'>['conditionalSampling'],
  context: StageContext,
): Transform {
  const { random = systemRandom } = context.deps;
  const reads = new Set<string>();
  const terms = entries.map(({ value, rules }, index) => {
    const path = `${context.path}.conditionalSampling[${index}].rules`;
    const all = allHold(rules, { ...context, path });
    for (const field of all.reads) reads.add(field);
    return { narrow: all.narrow, rate: value };
  });
  const waiting = new Scratch();
  const matched = new Scratch();
  let dropped = new Uint8Array(0);
  const narrow: Narrow = (batch, rows, count, kept) => {
    if (dropped.length < batch.capacity) dropped = new Uint8Array(batch.capacity);
    const rest = waiting.rowsFor(batch);
    const out = matched.rowsFor(batch);
    for (let i = 0; i < count; i++) rest[i] = rows === undefined ? i : rows[i]!;
    let left = count;
    for (const { narrow: holds, rate } of terms) {
      const found = holds(batch, rest, left, out);
      left = without(rest, left, out, found, rest);
      for (let i = 0; i < found; i++) {
        if (rate > 1 && random() * rate >= 1) dropped[out[i]!] = 1;
      }
    }
    let taken = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      if (dropped[row] === 0) kept[taken++] = row;
      else dropped[row] = 0;
    }
    return taken;
  };
  return filtering('conditional_sampling', [...reads], narrow);
}
