import { expect, test } from 'vitest';
import { generateErrorsReference } from '../../../scripts/gen-errors.ts';
import { defineErrors, type ErrorFacts } from '../../../src/base/errors.ts';
import { type SyntaxNode, sourceFiles, syntaxOf, visit } from '../../support/source-tree.ts';

/**
 * Codes of all calls of `defineErrors` in src, found by syntax: lists of tables are not trusted.
 */
function definedCodes(): readonly string[] {
  const codes: string[] = [];
  for (const file of sourceFiles('src').filter(({ path }) => path.endsWith('.ts'))) {
    if (!file.text.includes('defineErrors(')) continue;
    visit(syntaxOf(file), (node) => {
      if (node.type === 'CallExpression' && nameOf(node.callee) === 'defineErrors') {
        codes.push(...codesOf(node.arguments as readonly SyntaxNode[]));
      }
    });
  }
  return codes;
}

function codesOf([prefix, table]: readonly SyntaxNode[]): readonly string[] {
  const facts: ErrorFacts = { kind: 'internal', meaning: '', remedy: '' };
  const keys = (table!.properties as readonly SyntaxNode[]).map(({ key }) => nameOf(key)!);
  const rows = defineErrors(
    String(prefix!.value),
    Object.fromEntries(keys.map((key) => [key, facts])),
  );
  return Object.values(rows).map(({ code }) => code);
}

const nameOf = (node: unknown): string | undefined => (node as { name?: string }).name;

const { text } = generateErrorsReference();
const shown = text.split('\n').flatMap((line) => /^\| `(ERR_\w+)` \|/.exec(line)?.[1] ?? []);

test('every error of the program is on the page, once, and the page has no other', () => {
  const defined = definedCodes();
  expect(defined.length).toBeGreaterThan(100);
  expect(shown.toSorted()).toEqual(defined.toSorted());
  expect(new Set(shown).size).toBe(shown.length);
});

test('the page says what each error means and what to do, in sentences', () => {
  const rows = text.split('\n').filter((line) => line.startsWith('| `ERR_'));
  for (const row of rows) {
    expect(row).toMatch(/^\| `\w+` \| \w+ \| \d+ \| [A-Z].{10,}\. \| [A-Z].{3,}\. \|$/);
  }
});
