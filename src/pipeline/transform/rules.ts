import type { FieldKind } from '../../flow/field.ts';
import type { StageContext, Transform } from '../stage.ts';

/**
 * Makes the transforms of a stage that is a list of rules. Each rule sees the columns that the
 * rules before it made, and its errors name its own place in the list.
 */
export function makeRules<Rule>(
  rules: readonly Rule[],
  context: StageContext,
  make: (rule: Rule, context: StageContext) => Transform,
): readonly Transform[] {
  const made = new Map<string, FieldKind>();
  const removed = new Set<string>();
  return rules.map((rule, index) => {
    const transform = make(rule, {
      ...context,
      path: `${context.path}.rules[${index}]`,
      kindOf: (name) => (removed.has(name) ? undefined : (made.get(name) ?? context.kindOf(name))),
      declaredKind: (name) => made.get(name) ?? context.declaredKind(name),
    });
    for (const { name, kind } of transform.writes) {
      made.set(name, kind);
      removed.delete(name);
    }
    for (const name of transform.removes ?? []) removed.add(name);
    return transform;
  });
}
