import { shown } from '../../../base/shown.ts';
import { configError, PIPELINE_ERRORS } from '../../errors.ts';
import type { StageContext } from '../../stage.ts';
import type { Expression, Operand, Operator } from './expression/ast.ts';
import { type CompiledExpression, compileExpression } from './expression/compile.ts';
import { ExpressionError } from './expression/lex.ts';

const OPERATORS: Readonly<Record<string, Operator>> = {
  '==': '=',
  '!=': '!=',
  '=~': '=~',
  '!~': '!~',
  '>': '>',
  '<': '<',
  '>=': '>=',
  '<=': '<=',
};

const NUMBER = /(?<number>-?\d+(?:\.\d+)?)/.source;
const TEXT = /'(?<single>[^']*)'|"(?<double>[^"]*)"/.source;
const PART = new RegExp(
  `^\\s*(?:val\\b)?\\s*(?<operator>[=!<>~]{1,2})\\s*(?:${NUMBER}|${TEXT})\\s*$`,
);

/**
 * Compiles what stands behind `val` in the rules of flowlogs-pipeline: `>10`, `=='tcp'`,
 * `>=1 && val<=10`. `&&` binds tighter than `||`. Throws a coded error.
 */
export function comparisonOf(
  field: string,
  parameters: string,
  context: StageContext,
): CompiledExpression {
  try {
    const expression = joined('or', parameters.split('||'), (part) =>
      joined('and', part.split('&&'), (one) => compared(field, one)),
    );
    return compileExpression(expression, (name) => context.kindOf(name));
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw configError(
      PIPELINE_ERRORS.expression,
      `${context.path}.parameters`,
      error.message,
      error,
    );
  }
}

function joined(
  kind: 'and' | 'or',
  parts: readonly string[],
  parse: (part: string) => Expression,
): Expression {
  const terms = parts.map(parse);
  return terms.length === 1 ? terms[0]! : { kind, terms };
}

function compared(field: string, part: string): Expression {
  const { operator = '', number, single, double } = PART.exec(part)?.groups ?? {};
  const known = OPERATORS[operator];
  const text = single ?? double;
  const isOrder = operator.startsWith('<') || operator.startsWith('>');
  const isFitting = operator.endsWith('~') ? text !== undefined : !isOrder || number !== undefined;
  if (known === undefined || (text ?? number) === undefined || !isFitting) {
    const problem = `"${shown(part.trim())}" is not a comparison such as >10, =='tcp' or >=1 && <=9`;
    throw new ExpressionError(0, problem);
  }
  const operand: Operand =
    text === undefined ? { kind: 'number', value: Number(number) } : { kind: 'text', text };
  return { kind: 'compare', field, operator: known, operand, at: 0 };
}
