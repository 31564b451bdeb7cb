import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Expression } from '../../../../../src/pipeline/transform/filter/expression/ast.ts';
import { ExpressionError } from '../../../../../src/pipeline/transform/filter/expression/lex.ts';
import { parseExpression } from '../../../../../src/pipeline/transform/filter/expression/parse.ts';

/** An expression with all its parentheses. */
function shape(expression: Expression): string {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return `(${expression.terms.map(shape).join(` ${expression.kind} `)})`;
    case 'not':
      return `not ${shape(expression.term)}`;
    case 'with':
      return `${expression.isPresent ? 'with' : 'without'}(${expression.field})`;
    case 'in':
      return `${expression.field} in ${JSON.stringify(expression.values)}`;
    case 'compare': {
      const { field, operator, operand } = expression;
      const value =
        operand.kind === 'text'
          ? JSON.stringify(operand.text)
          : operand.kind === 'number'
            ? operand.value
            : operand.field;
      return `${field}${operator}${value}`;
    }
  }
}

describe('or binds tighter than and, as in the tables of flowlogs-pipeline', () => {
  test.each([
    ['a=1 and b=1 or c=1', '(a=1 and (b=1 or c=1))'],
    ['a=1 or b=1 and c=1', '((a=1 or b=1) and c=1)'],
    ['a=1 or b=1 or c=1 and d=1 and e=1', '((a=1 or b=1 or c=1) and d=1 and e=1)'],
    ['(a=1 and b=1) or c=1', '((a=1 and b=1) or c=1)'],
    ['not a=1 or b=1', '(not a=1 or b=1)'],
    ['not (a=1 or b=1)', 'not (a=1 or b=1)'],
    ['NOT not with(a) AND Without(b)', '(not not with(a) and without(b))'],
  ])('%s', (source, wanted) => {
    expect(shape(parseExpression(source))).toBe(wanted);
  });
});

describe('values', () => {
  test.each([
    ['a = "x\\"\\\\\\n\\x41\\u00e9\\U0001F600\\101"', 'a="x\\"\\\\\\nAé😀A"'],
    ['a=`raw \\d "quoted"`', 'a="raw \\\\d \\"quoted\\""'],
    ['a!=-5', 'a!=-5'],
    ['a>=0.25', 'a>=0.25'],
    ['_Ünï1 =~ "^x"', '_Ünï1=~"^x"'],
    ['a !~ "x" // and b=1', 'a!~"x"'],
    ['a /* not b */ = b', 'a=b'],
    ['a in (1, "b" , `c`)', 'a in [1,"b","c"]'],
    ['a not in ("10.0.0.0/8")', 'not a in ["10.0.0.0/8"]'],
  ])('%s', (source, wanted) => {
    expect(shape(parseExpression(source))).toBe(wanted);
  });
});

describe('mistakes name their place', () => {
  test.each([
    ['', 0, 'expected a field, but found the end'],
    ['a', 1, 'expected an operator (= != =~ !~ > < >= <=) or in, but found the end'],
    ['a=', 2, 'expected a text, number or field behind =, but found the end'],
    ['a>"x"', 2, 'expected a number or a field behind >, but found "x"'],
    ['a=~5', 3, 'expected a text behind =~, but found 5'],
    ['a=1 b=2', 4, 'expected and, or, or the end, but found b'],
    ['(a=1', 4, 'expected ), but found the end'],
    ['a="x', 2, 'this text has no end'],
    ['a="\\q"', 3, 'unknown escape \\q: a backslash is written \\\\'],
    ['a=1 and', 7, 'expected a field, but found the end'],
    ['and=1', 0, 'expected a field, but found and'],
    ['K8S-Name=1', 3, 'unexpected -'],
    ['a in ()', 6, 'expected a text or a number, but found )'],
    ['a not 5', 6, 'expected in, but found 5'],
    ['a=12x', 2, 'unexpected 1'],
    [`${'('.repeat(200)}a=1`, 101, 'more than 100 levels of parentheses'],
    ['a'.repeat(100_001), 0, 'the expression has over 100000 characters'],
  ])('%s', (source, at, problem) => {
    const parse = (): unknown => parseExpression(source);
    expect(parse).toThrow(problem);
    expect(parse).toThrow(expect.objectContaining({ at }));
  });

  test('any text is an expression or a mistake', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        'a',
        '=',
        '!=',
        '>',
        '(',
        ')',
        ' and ',
        ' or ',
        'not ',
        '"x"',
        '5',
        ',',
        ' in ',
      ),
      fc.string({ maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        try {
          parseExpression(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(ExpressionError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
