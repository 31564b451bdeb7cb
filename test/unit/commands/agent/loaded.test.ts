import { expect, test } from 'vitest';
import { importsOf, type SyntaxNode, sourceFiles, syntaxOf } from '../../../support/source-tree.ts';

const files = new Map(sourceFiles('src').map((file) => [file.path, file]));

/** Packages and files that are loaded with a file, without those that it imports later. */
function loadedWith(...entries: readonly string[]): ReadonlySet<string> {
  const loaded = new Set<string>();
  const waiting = [...entries];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (loaded.has(path)) continue;
    loaded.add(path);
    const file = files.get(path);
    if (file === undefined) continue;
    const syntax = syntaxOf(file);
    // Only statements are loaded at once; types are erased.
    const body = (syntax.body as readonly SyntaxNode[]).filter(
      (node) => node.importKind !== 'type' && node.exportKind !== 'type',
    );
    for (const node of body.filter(({ type }) => /^(Import|Export)/.test(type))) {
      if (node.source == null || isOfTypes(node)) continue;
      const [target] = importsOf(file, { ...node, declaration: null } as SyntaxNode);
      if (target !== undefined) waiting.push(target);
    }
  }
  return loaded;
}

/** `import { type A, type B } from …` */
function isOfTypes(node: SyntaxNode): boolean {
  const specifiers = node.specifiers as readonly SyntaxNode[];
  return specifiers.length > 0 && specifiers.every((one) => one.importKind === 'type');
}

/** The modules that `netobserv agent` loads before its exporter. */
const loaded = loadedWith(
  'src/main.ts',
  'src/commands/agent.ts',
  'src/commands/agent/host.ts',
  'src/agent/export/exporters.ts',
);

test('an agent that has no file and runs no pipeline loads neither YAML nor schemas', () => {
  expect([...loaded].filter((path) => /^(yaml|typebox)(\/|$)/.test(path))).toEqual([]);
  expect(loaded).not.toContain('src/pipeline/stages.ts');
  // The walk itself works.
  expect(loaded).toContain('src/config/load.ts');
  expect(loaded).toContain('yargs');
  expect(loaded.size).toBeGreaterThan(100);
});

test('one that runs a pipeline does load them', () => {
  const direct = loadedWith('src/commands/agent/direct.ts');
  for (const name of ['yaml', 'typebox', 'src/config/document.ts', 'src/pipeline/stages.ts']) {
    expect(direct).toContain(name);
  }
});
