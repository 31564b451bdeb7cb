import { shown } from '../../../../base/shown.ts';
import type { Expression, Operand, Operator } from './ast.ts';
import { OPERATORS } from './ast.ts';
import { ExpressionError, lex, type Token } from './lex.ts';

/** Characters of an expression. */
const EXPRESSION_MAX = 100_000;
/** Parentheses and `not` inside each other. */
const DEPTH_MAX = 100;

const KEYWORDS: readonly string[] = ['and', 'or', 'not', 'in', 'with', 'without'];

/**
 * Parses an expression of flowlogs-pipeline's query language:
 *
 *     expression := operand { and operand }
 *     operand    := condition { or condition }
 *     condition  := not condition | ( expression ) | with ( FIELD ) | without ( FIELD )
 *                 | FIELD OPERATOR ( text | number | FIELD )
 *                 | FIELD [ not ] in ( value { , value } )
 *
 * `or` binds tighter than `and`, as in flowlogs-pipeline. `not`, `in`, negative numbers, fractions
 * and fields on the right are ours. Throws `ExpressionError`.
 */
export function parseExpression(source: string): Expression {
  if (source.length > EXPRESSION_MAX) {
    throw new ExpressionError(0, `the expression has over ${EXPRESSION_MAX} characters`);
  }
  const parser = new Parser(lex(source));
  const expression = parser.all(0);
  parser.end();
  return expression;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  all(depth: number): Expression {
    return this.#joined('and', () => this.#joined('or', () => this.#condition(depth)));
  }

  end(): void {
    if (this.#token.kind !== 'end') this.#refuse('and, or, or the end');
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #joined(kind: 'and' | 'or', term: () => Expression): Expression {
    const terms = [term()];
    while (this.#take(kind)) terms.push(term());
    return terms.length === 1 ? terms[0]! : { kind, terms };
  }

  #condition(depth: number): Expression {
    if (depth > DEPTH_MAX) {
      throw new ExpressionError(this.#token.at, `more than ${DEPTH_MAX} levels of parentheses`);
    }
    if (this.#take('not')) return { kind: 'not', term: this.#condition(depth + 1) };
    if (this.#take('(')) {
      const inner = this.all(depth + 1);
      this.#need(')');
      return inner;
    }
    for (const [word, isPresent] of [
      ['with', true],
      ['without', false],
    ] as const) {
      if (!this.#take(word)) continue;
      this.#need('(');
      const field = this.#field();
      this.#need(')');
      return { kind: 'with', field, isPresent };
    }
    return this.#comparison();
  }

  #comparison(): Expression {
    const field = this.#field();
    if (this.#take('in')) return { kind: 'in', field, values: this.#values() };
    if (this.#take('not')) {
      if (!this.#take('in')) this.#refuse('in');
      return { kind: 'not', term: { kind: 'in', field, values: this.#values() } };
    }
    const operator = OPERATORS.find((one) => this.#take(one));
    if (operator === undefined) return this.#refuse(`an operator (${OPERATORS.join(' ')}) or in`);
    const { at } = this.#token;
    return { kind: 'compare', field, operator, operand: this.#operand(operator), at };
  }

  #operand(operator: Operator): Operand {
    const { kind, text } = this.#token;
    const isOrder = operator.startsWith('<') || operator.startsWith('>');
    const isRegex = operator.endsWith('~');
    if (kind === 'text' && !isOrder) {
      this.#next++;
      return { kind: 'text', text };
    }
    if (kind === 'number' && !isRegex) {
      this.#next++;
      return { kind: 'number', value: Number(text) };
    }
    if (kind === 'word' && !isRegex) return { kind: 'field', field: this.#field() };
    const wanted = isRegex ? 'a text' : isOrder ? 'a number or a field' : 'a text, number or field';
    return this.#refuse(`${wanted} behind ${operator}`);
  }

  #values(): readonly (string | number)[] {
    this.#need('(');
    const values: (string | number)[] = [];
    do {
      const { kind, text } = this.#token;
      if (kind !== 'text' && kind !== 'number') return this.#refuse('a text or a number');
      this.#next++;
      values.push(kind === 'number' ? Number(text) : text);
    } while (this.#take(','));
    this.#need(')');
    return values;
  }

  #field(): string {
    const { kind, text } = this.#token;
    if (kind !== 'word' || KEYWORDS.includes(text.toLowerCase())) return this.#refuse('a field');
    this.#next++;
    return text;
  }

  /** Whether the next token is this keyword or sign, which is passed then. */
  #take(wanted: string): boolean {
    const { kind, text } = this.#token;
    const isIt =
      (kind === 'sign' && text === wanted) || (kind === 'word' && text.toLowerCase() === wanted);
    if (isIt) this.#next++;
    return isIt;
  }

  #need(sign: string): void {
    if (!this.#take(sign)) this.#refuse(sign);
  }

  #refuse(wanted: string): never {
    const { kind, text, at } = this.#token;
    const found = kind === 'end' ? text : shown(kind === 'text' ? JSON.stringify(text) : text);
    throw new ExpressionError(at, `expected ${wanted}, but found ${found}`);
  }
}
