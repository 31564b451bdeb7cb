import type { FieldKind } from '../../flow/field.ts';
import { ConfigProblems } from '../problems.ts';
import type { StageContext, Transform } from '../stage.ts';

/**
 * The rules of a stage by their type. A rule is one alternative of the stage's schema, one row
 * here, and one file. The rules of one stage share `Facts`.
 */
export type RuleTable<Rule extends { readonly type: string }, Facts> = {
  readonly [Type in Rule['type']]: (
    rule: Extract<Rule, { readonly type: Type }>,
    context: StageContext,
    facts: Facts,
  ) => Transform | readonly Transform[];
};

/**
 * Makes the transforms of a stage that is a list of rules. Each rule sees the columns that the
 * rules before it made, and its errors name its own place in the list.
 */
export function makeRules<Rule extends { readonly type: string }, Facts>(
  table: RuleTable<Rule, Facts>,
  rules: readonly Rule[],
  context: StageContext,
  facts: Facts,
  /** Where a rule stands in the configuration, if `rules` are only some of the list. */
  indexOf?: (rule: Rule) => number,
): readonly Transform[] {
  const made = new Map<string, FieldKind>();
  const removed = new Set<string>();
  const problems = new ConfigProblems();
  const transforms = rules.flatMap((rule, index) => {
    const at: StageContext = {
      ...context,
      path: `${context.path}.rules[${indexOf?.(rule) ?? index}]`,
      kindOf: (name) => (removed.has(name) ? undefined : (made.get(name) ?? context.kindOf(name))),
      declaredKind: (name) => made.get(name) ?? context.declaredKind(name),
    };
    const make = table[rule.type as Rule['type']] as RuleTable<Rule, Facts>[Rule['type']];
    const result = problems.attempt(
      () => make(rule as Extract<Rule, { readonly type: Rule['type'] }>, at, facts),
      problems.hasFailed,
    );
    const parts = result === undefined ? [] : [result].flat();
    for (const { writes, removes = [] } of parts) {
      for (const { name, kind } of writes) {
        made.set(name, kind);
        removed.delete(name);
      }
      for (const name of removes) removed.add(name);
    }
    return parts;
  });
  problems.throwAll();
  return transforms;
}
