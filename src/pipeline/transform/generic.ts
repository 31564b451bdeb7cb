import { heldName } from '../../flow/batch.ts';
import { canHold, copyValues } from '../../flow/copy-values.ts';
import type { FieldKind } from '../../flow/field.ts';
import { GenericOptions, type GenericRule } from '../options/transform/generic.ts';
import { ConfigProblems } from '../problems.ts';
import { type StageContext, type StageType, stageType, type Transform } from '../stage.ts';
import { decodeTcpFlags } from './network/tcp-flags.ts';
import { requireKind } from './require-kind.ts';

/** Renames, copies and multiplies fields. */
export const genericTransform: StageType = stageType({
  section: 'transform',
  type: 'generic',
  schema: GenericOptions,
  create({ policy, rules }, context) {
    const replaces = policy === 'replace_keys';
    const cleared = replaces ? clearedOutputs(rules, context) : [];
    const held = new Map<string, FieldKind>();
    const outputs = new Set<string>();
    const problems = new ConfigProblems();
    const copies = rules.flatMap((rule, index): readonly Transform[] => {
      const { input, output } = rule;
      const at: StageContext = { ...context, path: `${context.path}.rules[${index}]` };
      const kind = problems.attempt(() => inputKind(rule, at));
      const isHeld = outputs.has(input) || cleared.includes(input);
      outputs.add(output);
      if (kind === undefined || (input === output && rule.multiplier === 0 && !isHeld)) return [];
      if (isHeld) held.set(input, kind);
      return [copy(rule, isHeld ? heldName(context.name, input) : input, kind, at)];
    });
    problems.throwAll();
    const holds = [...held].map(([name, kind]) => hold(name, heldName(context.name, name), kind));
    const end: Transform = replaces
      ? { ...without([]), name: 'keep the outputs', keeps: outputs }
      : without([...held.keys()].map((name) => heldName(context.name, name)));
    return [...holds, without(cleared), ...copies, end].filter(
      ({ removes, keeps }) => keeps !== undefined || removes?.length !== 0,
    );
  },
});

/** The outputs that flows have already, except those whose value a rule takes over. */
function clearedOutputs(rules: readonly GenericRule[], context: StageContext): readonly string[] {
  const kept = new Set(
    rules.filter(({ input, output }) => input === output).map(({ output }) => output),
  );
  const outputs = new Set(rules.map(({ output }) => output));
  return [...outputs].filter((name) => !kept.has(name) && context.kindOf(name) !== undefined);
}

const NUMBERS: readonly FieldKind[] = ['u8', 'u16', 'u32', 'f64', 'any'];

/** Undefined: no flow has the field. */
function inputKind({ input, multiplier }: GenericRule, at: StageContext): FieldKind | undefined {
  const allowed = multiplier === 0 ? undefined : NUMBERS;
  return requireKind(at, 'input', input, allowed);
}

/** Copies from the column `source`, which holds the values of the rule's input. */
function copy(rule: GenericRule, source: string, kind: FieldKind, at: StageContext): Transform {
  const { input, output, multiplier } = rule;
  // Text sinks show these flags by name, but not under another name: that gets the list of names.
  if (at.named.has(input) && multiplier === 0) return decodeTcpFlags({ input: source, output }, at);
  const factor = multiplier === 0 ? 1 : multiplier;
  const own = factor === 1 || kind === 'any' ? kind : 'f64';
  const declared = at.declaredKind(output) ?? own;
  return {
    kind: 'transform',
    name: factor === 1 ? `copy ${input}` : `${factor} × ${input}`,
    reads: [source, output],
    writes: [{ name: output, kind: canHold(declared, own) ? declared : own }],
    apply(batch) {
      const from = batch.filled(source);
      if (from === undefined) return;
      const failures = copyValues(from, batch.column(output), { batch, field: output, factor });
      if (failures > 0) at.counts.unconverted(output, failures);
    },
  };
}

/** Keeps the values that a field had before the stage. */
function hold(input: string, output: string, kind: FieldKind): Transform {
  return {
    kind: 'transform',
    name: `hold ${input}`,
    reads: [input],
    writes: [{ name: output, kind }],
    apply(batch) {
      const from = batch.filled(input);
      if (from !== undefined) copyValues(from, batch.column(output), { batch });
    },
  };
}

function without(names: readonly string[]): Transform {
  const apply = (): undefined => undefined;
  return { kind: 'transform', name: 'clear', reads: [], writes: [], removes: names, apply };
}
