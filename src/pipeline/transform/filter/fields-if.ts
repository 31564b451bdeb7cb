import { canHold, copyValues } from '../../../flow/copy-values.ts';
import type { RuleOf } from '../../options/transform/filter.ts';
import { patternAt } from '../../patterns.ts';
import type { StageContext, Transform } from '../../stage.ts';
import { requireKind } from '../require-kind.ts';
import type { Narrow } from '../select.ts';
import { comparisonOf } from './comparison.ts';
import { valuesThat } from './expression/compile.ts';
import { Scratch } from './expression/row-sets.ts';
import { constantOf } from './fields.ts';

/** Sets a field to a text, or to the value of the input, where the input compares well. */
export function addFieldIf(
  { input, output, parameters, assignee }: RuleOf<'add_field_if'>['addFieldIf'],
  context: StageContext,
): Transform {
  const at = { ...context, path: `${context.path}.addFieldIf` };
  const { narrow } = comparisonOf(input, parameters, at);
  const rule = { input, output, flag: `${output}_Evaluate`, name: `add_field_if ${input}` };
  return assignee === '' ? copyingIf(rule, narrow, at) : settingIf(rule, narrow, assignee, at);
}

/** Sets a field to the value of the input, where the text of the input matches. */
export function addRegexIf(
  { input, output, parameters }: RuleOf<'add_regex_if'>['addRegexIf'],
  context: StageContext,
): Transform {
  const at = { ...context, path: `${context.path}.addRegexIf` };
  const pattern = patternAt(parameters, `${at.path}.parameters`);
  const narrow = valuesThat(input, (text) => pattern.test(text), at.kindOf(input));
  const rule = { input, output, flag: `${output}_Matched`, name: `add_regex_if ${input}` };
  return copyingIf(rule, narrow, at);
}

interface Rule {
  readonly name: string;
  readonly input: string;
  readonly output: string;
  /** Becomes true, too. */
  readonly flag: string;
}

function settingIf(rule: Rule, narrow: Narrow, text: string, at: StageContext): Transform {
  const { name, input, output, flag } = rule;
  const { kind, set } = constantOf(output, text, `${at.path}.assignee`, at);
  const flagged = constantOf(flag, true, at.path, anyByDefault(at));
  const scratch = new Scratch();
  return {
    kind: 'transform',
    name,
    reads: [input, output, flag],
    writes: [
      { name: output, kind },
      { name: flag, kind: flagged.kind },
    ],
    apply(batch) {
      const rows = scratch.rowsFor(batch);
      const count = narrow(batch, undefined, batch.length, rows);
      if (batch.has(output)) set(batch, rows, count);
      if (batch.has(flag)) flagged.set(batch, rows, count);
    },
  };
}

function copyingIf(rule: Rule, narrow: Narrow, at: StageContext): Transform {
  const { name, input, output, flag } = rule;
  const own = requireKind(at, 'input', input) ?? 'any';
  const declared = at.declaredKind(output) ?? own;
  const flagged = constantOf(flag, true, at.path, anyByDefault(at));
  const scratch = new Scratch();
  return {
    kind: 'transform',
    name,
    reads: [input, output, flag],
    writes: [
      { name: output, kind: canHold(declared, own) ? declared : own },
      { name: flag, kind: flagged.kind },
    ],
    apply(batch) {
      const rows = scratch.rowsFor(batch);
      const count = narrow(batch, undefined, batch.length, rows);
      if (batch.has(flag)) flagged.set(batch, rows, count);
      const from = batch.filled(input);
      if (from === undefined || !batch.has(output)) return;
      const only = rows.subarray(0, count);
      const failures = copyValues(from, batch.column(output), { batch, field: output, only });
      if (failures > 0) at.counts.unconverted(output, failures);
    },
  };
}

/** A new flag is true or false in JSON, and not a text. */
function anyByDefault(at: StageContext): StageContext {
  return { ...at, declaredKind: (name) => at.declaredKind(name) ?? 'any' };
}
