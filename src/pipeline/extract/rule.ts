import type { ColumnSpec } from '../../flow/batch.ts';
import type { FieldKind } from '../../flow/field.ts';
import { configError, PIPELINE_ERRORS } from '../errors.ts';
import { ConfigProblems } from '../problems.ts';
import type { StageContext } from '../stage.ts';
import { requireKind } from '../transform/require-kind.ts';

/** Kinds of columns whose values may be numbers. */
export const NUMBER_KINDS: readonly FieldKind[] = ['u8', 'u16', 'u32', 'f64', 'any'];
/** Kinds of columns that groups may be made by: all but lists. */
export const KEY_KINDS: readonly FieldKind[] = ['str', 'addr', 'mac', ...NUMBER_KINDS];

/** Columns of the keys of a group, which are at `option`. */
export function keyColumns(
  keys: readonly string[],
  option: string,
  context: StageContext,
): readonly ColumnSpec[] {
  const problems = new ConfigProblems();
  const columns = keys.map((name, index): ColumnSpec => {
    const kind = problems.attempt(() =>
      requireKind(context, `${option}[${index}]`, name, KEY_KINDS),
    );
    return { name, kind: kind ?? context.declaredKind(name) ?? 'any' };
  });
  problems.throwAll();
  return columns;
}

/** Checks the `operationKey` of a rule: only `count` needs no numbers. */
export function requireNumbers(
  operation: string,
  key: string,
  option: string,
  context: StageContext,
): void {
  if (operation === 'count') return;
  const isNamed = key !== '';
  requireOption(isNamed, `${option}.operationKey`, `is needed for ${operation}`, context);
  requireKind(context, `${option}.operationKey`, key, NUMBER_KINDS);
}

/** Throws an error at an option unless it is right. */
export function requireOption(
  isRight: boolean,
  option: string,
  problem: string,
  context: StageContext,
): void {
  if (isRight) return;
  throw configError(PIPELINE_ERRORS.extract, `${context.path}.${option}`, problem);
}
