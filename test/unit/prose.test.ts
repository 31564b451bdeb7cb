import { expect, test } from 'vitest';
import { lineOf, type SourceFile, sourceFiles, syntaxOf, visit } from '../support/source-tree.ts';

/** Turns of phrase that read as translated, and what to write in their place. */
const TURNS: readonly (readonly [RegExp, string])[] = [
  [/^What (?!to )/, 'begin with the subject: "Messages that wait", not "What waits"'],
  [/^Of /, 'begin with the subject: "Metrics of one exporter", not "Of one exporter"'],
  [
    /(?<!\b[Tt]here )\b(is|are|was|were) no (?!longer|more|less|later|different)[a-z]/,
    'write "is not a"',
  ],
  [/\b(whoever|whomever|lest|thereof)\b/i, 'use a plain word'],
  [/\bbe it\b/i, 'write "whether it is"'],
  [/\b(is|are|was|were) told (?!apart)/, 'write "learns", "is notified" or "reads"'],
  [/\bthe original(’s|'s)?\b/i, 'name the program, such as `flowlogs-pipeline`'],
];

/** Comments of a file, each as one line, with the number of its first line. */
function commentsOf({ lines }: SourceFile): readonly { readonly line: number; text: string }[] {
  const comments: { readonly line: number; text: string }[] = [];
  let isOpen = false;
  for (const [index, line] of lines.entries()) {
    const match = /^\s*(?:\/\*\*?|\*\/?|\/\/)(?:\s(.*?))?(?:\s*\*\/)?$/.exec(line);
    if (match === null) {
      isOpen = false;
      continue;
    }
    const text = match[1] ?? '';
    // An empty line within a comment begins a paragraph.
    if (isOpen && text !== '') comments.at(-1)!.text += ` ${text}`;
    else if (text !== '') comments.push({ line: index + 1, text });
    isOpen = text !== '' || !/\*\/$/.test(line);
    if (text === '') isOpen = false;
    else if (/\*\/$/.test(line)) isOpen = false;
  }
  return comments;
}

const files = sourceFiles().filter(({ path }) => /^(src|scripts|test)\/.*\.tsx?$/.test(path));

/** Texts of the program: literals of several words. */
function textsOf(file: SourceFile): readonly { readonly line: number; readonly text: string }[] {
  const texts: { readonly line: number; readonly text: string }[] = [];
  visit(syntaxOf(file), (node) => {
    if (!/^(Literal|TemplateElement|JSXText)$/.test(node.type)) return;
    const value = node.value as string | { readonly cooked: string } | undefined;
    const text = typeof value === 'object' && value !== null ? value.cooked : value;
    if (typeof text !== 'string' || !text.includes(' ')) return;
    texts.push({ line: lineOf(file, node.start), text });
  });
  return texts;
}

function offendersOf(
  file: SourceFile,
  texts: readonly { readonly line: number; readonly text: string }[],
): readonly string[] {
  return texts.flatMap(({ line, text }) =>
    TURNS.filter(([turn]) => turn.test(text)).map(
      ([, advice]) => `${file.path}:${line}: ${advice}: ${text.slice(0, 90)}`,
    ),
  );
}

test('comments are in plain English', () => {
  const others = files.filter(({ path }) => path !== 'test/unit/prose.test.ts');
  expect(others.flatMap((file) => offendersOf(file, commentsOf(file)))).toEqual([]);
});

test('texts of the program are in plain English', () => {
  const program = files.filter(({ path }) => /^src\/(?!.*\.gen\.)/.test(path));
  expect(program.flatMap((file) => offendersOf(file, textsOf(file)))).toEqual([]);
});
