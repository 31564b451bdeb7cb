import { parseAddress, parseCidr } from '../../../../src/base/ip.ts';
import type { Expression } from '../../../../src/pipeline/transform/filter/expression/ast.ts';
import type { Row } from './rows.ts';

/** The meaning of an expression, over plain objects. */
export function holds(expression: Expression, row: Row): boolean {
  switch (expression.kind) {
    case 'and':
      return expression.terms.every((term) => holds(term, row));
    case 'or':
      return expression.terms.some((term) => holds(term, row));
    case 'not':
      return !holds(expression.term, row);
    case 'with':
      return (row[expression.field] !== undefined) === expression.isPresent;
    case 'in':
      return entries(row[expression.field]).some((text) =>
        expression.values.some((value) => text === String(value) || isInside(text, value)),
      );
    case 'compare':
      return compares(expression, row);
  }
}

/** Texts of a value: one, none, or those of the entries of a list. */
function entries(value: unknown): readonly string[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

function isInside(text: string, network: string | number): boolean {
  const bytes = parseAddress(text);
  const cidr = parseCidr(String(network));
  if (bytes === undefined || cidr === undefined || !String(network).includes('/')) return false;
  const bits = (from: Uint8Array): string =>
    [...from].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits(bytes).startsWith(bits(cidr.bytes).slice(0, cidr.prefix));
}

type Comparison = Extract<Expression, { kind: 'compare' }>;

function compares({ field, operator, operand }: Comparison, row: Row): boolean {
  const texts = entries(row[field]);
  const joined = (name: string): string | undefined =>
    row[name] === undefined ? undefined : entries(row[name]).join(',');
  if (operand.kind === 'number') {
    const numbers = texts.map((text) => (text.trim() === '' ? Number.NaN : Number(text)));
    if (operator === '!=') return texts.length > 0 && !numbers.includes(operand.value);
    return numbers.some((number) => inOrder(number, operator, operand.value));
  }
  if (operand.kind === 'field') {
    const [left, right] = [joined(field), joined(operand.field)];
    const isEqual = left !== undefined && left === right;
    if (operator === '=') return isEqual;
    if (operator === '!=') return !isEqual;
    if (left === undefined || right === undefined) return false;
    return inOrder(Number(left), operator, Number(right));
  }
  const { text } = operand;
  const isNegative = operator.startsWith('!');
  if (operator.endsWith('~')) return texts.some((one) => new RegExp(text).test(one)) !== isNegative;
  if (text.includes('$(')) {
    const wanted = text.replace(/\$\((\w+)\)/g, (_all, other: string) => joined(other) ?? '');
    return (joined(field) === wanted) !== isNegative;
  }
  return texts.includes(text) !== isNegative;
}

function inOrder(left: number, operator: string, right: number): boolean {
  switch (operator) {
    case '=':
      return left === right;
    case '>':
      return left > right;
    case '<':
      return left < right;
    case '>=':
      return left >= right;
    default:
      return left <= right;
  }
}
