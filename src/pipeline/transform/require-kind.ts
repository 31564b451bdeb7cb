import type { FieldKind } from '../../flow/field.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import type { StageContext } from '../stage.ts';

/**
 * The kind of a rule's input field, which the rule must support (default: any kind). Undefined when
 * nothing fills the field: the rule then finds it absent in every flow, which is worth a warning.
 */
export function requireKind(
  context: StageContext,
  option: string,
  field: string,
  allowed?: readonly FieldKind[],
): FieldKind | undefined {
  const path = `${context.path}.${option}`;
  const kind = context.kindOf(field);
  if (kind === undefined) {
    context.deps.log.warn(
      { component: 'pipeline', stage: context.name, path, field },
      'no stage fills this field',
    );
    return undefined;
  }
  if (allowed === undefined || allowed.includes(kind)) return kind;
  const problem = `field ${field} holds ${kind}, but ${allowed.join(' or ')} is needed here`;
  throw configError(PIPELINE_ERRORS.fieldKind, path, problem);
}
