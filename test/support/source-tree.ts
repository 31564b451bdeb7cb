import { readdirSync, readFileSync } from 'node:fs';
import { dirname, extname, join, normalize } from 'node:path';
import { parseAst } from 'vite';

/** A file of the repository as the house rules see it. */
export interface SourceFile {
  /** Relative to the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** An ESTree node; only the properties that the rules use are named. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export const ROOT = join(import.meta.dirname, '..', '..');

// The paths that git ignores, plus git's own folder.
const IGNORED = new Set(['.git', 'node_modules', 'build', 'dist', 'coverage']);

export function sourceFiles(folder = ''): readonly SourceFile[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (IGNORED.has(entry.name)) return [];
    if (entry.isDirectory()) return sourceFiles(path);
    if (!entry.isFile() || !isText(path)) return [];
    const text = readFileSync(join(ROOT, path), 'utf8');
    return [{ path, text, lines: text.split('\n') }];
  });
}

function isText(path: string): boolean {
  const types = [
    '.ts',
    '.tsx',
    '.c',
    '.h',
    '.sh',
    '.md',
    '.json',
    '.css',
    '.html',
    '.yaml',
    '.yml',
  ];
  return types.includes(extname(path)) || path.startsWith('.ci/');
}

export function syntaxOf(file: SourceFile): SyntaxNode {
  const lang = file.path.endsWith('x') ? 'tsx' : 'ts';
  return parseAst(file.text, { lang }) as unknown as SyntaxNode;
}

/** Calls `see` for a node and everything below it. */
export function visit(node: SyntaxNode, see: (node: SyntaxNode) => void): void {
  see(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visit(child, see);
    }
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

/** First line of a node, from 1. */
export function lineOf(file: SourceFile, offset: number): number {
  return file.text.slice(0, offset).split('\n').length;
}

/** A file's imports: paths relative to the root for our own files, specifiers for the rest. */
export function importsOf(file: SourceFile, syntax: SyntaxNode): readonly string[] {
  const specifiers: string[] = [];
  visit(syntax, (node) => {
    if (!/^(Import|Export(All|Named))Declaration$|^ImportExpression$/.test(node.type)) return;
    const source = node.source;
    if (isNode(source) && typeof source.value === 'string') specifiers.push(source.value);
  });
  return specifiers.map((specifier) =>
    specifier.startsWith('.') ? normalize(join(dirname(file.path), specifier)) : specifier,
  );
}
