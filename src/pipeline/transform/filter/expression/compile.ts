import { formatAddress, parseAddress, parseCidr } from '../../../../base/ip.ts';
import type { FlowBatch } from '../../../../flow/batch.ts';
import type { FieldKind } from '../../../../flow/field.ts';
import { type Accepts, ColumnTest } from '../../../column-test.ts';
import { PatternError, patternOf } from '../../../patterns.ts';
import { cellText } from '../../../row-text.ts';
import { fieldsIn, filled } from '../../../templates.ts';
import { SubnetTrie } from '../../network/subnet-trie.ts';
import type { Narrow } from '../../select.ts';
import { canonical } from '../remove-entry.ts';
import type { Expression, Operand, Operator } from './ast.ts';
import { ExpressionError } from './lex.ts';
import { allOf, anyOf, notOf } from './row-sets.ts';
import { ListTest, NumberTest } from './tests.ts';

export interface CompiledExpression {
  readonly narrow: Narrow;
  /** Fields that it looks at. */
  readonly reads: readonly string[];
}

type KindOf = (field: string) => FieldKind | undefined;

/**
 * Compiles an expression to loops over columns. Throws `ExpressionError` where a regular expression
 * or a network is wrong.
 *
 * - Values compare by their text: 6, "6" and an address in any notation are the same. Orders, and
 *   equality with a number, compare numbers; a text that is not a number is not in any order.
 * - A field that is absent fails all conditions but `!=` with a text or a field, `!~`, `without`
 *   and `not`.
 * - A condition on a list holds if it does for one of its entries; `!=` and `!~`, for all of them.
 */
export function compileExpression(expression: Expression, kindOf: KindOf): CompiledExpression {
  const reads = new Set<string>();
  const compile = (one: Expression): Narrow => {
    switch (one.kind) {
      case 'and':
        return allOf(one.terms.map(compile));
      case 'or':
        return anyOf(one.terms.map(compile));
      case 'not':
        return notOf(compile(one.term));
      case 'with':
        reads.add(one.field);
        return columnNarrow(new ColumnTest(one.field, !one.isPresent, one.isPresent));
      case 'in':
        reads.add(one.field);
        return valuesThat(one.field, membership(one.values, kindOf(one.field)), kindOf(one.field));
      case 'compare':
        reads.add(one.field);
        for (const other of otherFields(one.operand)) reads.add(other);
        return comparison(one, kindOf);
    }
  };
  return { narrow: compile(expression), reads: [...reads] };
}

function otherFields(operand: Operand): readonly string[] {
  if (operand.kind === 'field') return [operand.field];
  return operand.kind === 'text' ? fieldsIn(operand.text) : [];
}

type Comparison = Extract<Expression, { kind: 'compare' }>;

function comparison({ field, operator, operand, at }: Comparison, kindOf: KindOf): Narrow {
  if (operand.kind === 'field') return fieldsNarrow(field, operator, operand.field);
  if (operand.kind === 'number') return numbersThat(field, operator, operand.value);
  const { text } = operand;
  const isNegative = operator.startsWith('!');
  if (operator.endsWith('~')) {
    const pattern = regExp(text, at);
    return valuesThat(field, (value) => pattern.test(value), kindOf(field), isNegative);
  }
  if (fieldsIn(text).length > 0) return templateNarrow(field, isNegative, text);
  const wanted = canonical(text, kindOf(field));
  return valuesThat(field, (value) => value === wanted, kindOf(field), isNegative);
}

/** Rows whose value, or an entry of whose list, is accepted; `isNegative`: all other rows. */
export function valuesThat(
  field: string,
  accepts: (text: string) => boolean,
  kind: FieldKind | undefined,
  isNegative = false,
): Narrow {
  if (kind?.startsWith('list') === true) {
    const { narrow } = new ListTest(field, accepts);
    return isNegative ? notOf(narrow) : narrow;
  }
  const answer: Accepts = isNegative ? (text) => !accepts(text) : accepts;
  return columnNarrow(new ColumnTest(field, isNegative, answer));
}

function columnNarrow(test: ColumnTest): Narrow {
  return test.narrow.bind(test);
}

function regExp(text: string, at: number): RegExp {
  try {
    return patternOf(text);
  } catch (error) {
    if (error instanceof PatternError) throw new ExpressionError(at, error.message);
    throw error;
  }
}

const ORDERS: Readonly<Record<string, (value: number, limit: number) => boolean>> = {
  '=': (value, limit) => value === limit,
  '!=': (value, limit) => value !== limit,
  '>': (value, limit) => value > limit,
  '<': (value, limit) => value < limit,
  '>=': (value, limit) => value >= limit,
  '<=': (value, limit) => value <= limit,
};

function numbersThat(field: string, operator: Operator, limit: number): Narrow {
  if (operator === '!=') {
    const present = columnNarrow(new ColumnTest(field, false, true));
    return allOf([present, notOf(numbersThat(field, '=', limit))]);
  }
  const order = ORDERS[operator]!;
  return new NumberTest(field, (value) => order(value, limit)).narrow;
}

/** Row by row: the texts, or the numbers, of two fields of a flow. */
function fieldsNarrow(field: string, operator: Operator, other: string): Narrow {
  const isOrder = operator !== '=' && operator !== '!=';
  const order = ORDERS[operator]!;
  return rowNarrow((batch, row) => {
    const left = cellText(batch, field, row);
    const right = cellText(batch, other, row);
    if (!isOrder) return (left === right && left !== undefined) === (operator === '=');
    if (left === undefined || right === undefined) return false;
    return order(Number(left), Number(right));
  });
}

function templateNarrow(field: string, isNegative: boolean, template: string): Narrow {
  return rowNarrow((batch, row) => {
    const text = cellText(batch, field, row);
    const wanted = filled(template, (other) => cellText(batch, other, row) ?? '');
    return (text === wanted) !== isNegative;
  });
}

function rowNarrow(holds: (batch: FlowBatch, row: number) => boolean): Narrow {
  return (batch, rows, count, kept) => {
    let left = 0;
    for (let i = 0; i < count; i++) {
      const row = rows === undefined ? i : rows[i]!;
      if (holds(batch, row)) kept[left++] = row;
    }
    return left;
  };
}

/** Texts and numbers by their text; addresses may also be in networks. */
function membership(
  values: readonly (string | number)[],
  kind: FieldKind | undefined,
): (text: string) => boolean {
  const texts = new Set(values.map((value) => canonical(String(value), kind)));
  const networks = new SubnetTrie();
  let hasNetworks = false;
  for (const value of values) {
    const cidr = typeof value === 'string' && value.includes('/') ? parseCidr(value) : undefined;
    if (cidr === undefined) continue;
    networks.insert(cidr, 1);
    hasNetworks = true;
  }
  if (!hasNetworks) return (text) => texts.has(text);
  return (text) => {
    const bytes = parseAddress(text);
    if (bytes === undefined) return texts.has(text);
    return texts.has(formatAddress(bytes)) || networks.longest(bytes, 0) > 0;
  };
}
