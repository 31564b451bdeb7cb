import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { expect, test } from 'vitest';
import { calledSources, circlesOf } from '../support/circles.ts';
import {
  importsOf,
  lineOf,
  ROOT,
  type SourceFile,
  type SyntaxNode,
  sourceFiles,
  syntaxOf,
  visit,
} from '../support/source-tree.ts';

/** The house rules that a program can check. Each test lists every offender. */

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
/** Markup is declarative: a long component is still easy to read. */
const COMPONENT_LINES_MAX = 120;
const LINE_COLUMNS_MAX = 100;
/** A text that would be harder to read and to search for in pieces. */
const UNBREAKABLE = /(['"`]).{50,}\1|https?:\/\//;

/** Files longer than the limit, each with the reason why splitting would not help. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'native/watch.c': 'one thread and all that it shares with the main one',
};

const files = sourceFiles();
const code = files.filter(({ path }) => /^(src|scripts|test|bpf|native)\//.test(path));
const isGenerated = ({ path }: SourceFile): boolean => path.includes('.gen.');
const written = code.filter((file) => !isGenerated(file));
const typescript = written
  .filter(({ path }) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .map((file) => ({ file, syntax: syntaxOf(file) }));
const program = typescript.filter(({ file }) => !file.path.startsWith('test/'));

const ABOVE_FLOW = ['base', 'flow'];
/**
 * Contracts: the options and formats for configuring and querying programs. Any folder may import
 * them, including the operator and the command line. They do not import their implementations.
 */
const CONTRACTS = [
  'agent/config.ts',
  'agent/filters',
  'console/api.ts',
  'console/options.ts',
  'pipeline/options',
];
const CLIENTS = [...ABOVE_FLOW, 'config', 'telemetry', 'codec', 'query'];
const BELOW_STORE = [...CLIENTS, 'net', 'kube', 'deliver'];
const PARTS = [...BELOW_STORE, 'store', ...CONTRACTS];

/** Folder of src → other folders that it may import from. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  // Contracts come before the folders that contain them: the first match counts.
  'agent/config.ts': [...ABOVE_FLOW, 'config', 'agent/filters'],
  'agent/filters': ABOVE_FLOW,
  'console/api.ts': [...ABOVE_FLOW, 'query'],
  'console/options.ts': [...ABOVE_FLOW, 'config'],
  'pipeline/options': [...ABOVE_FLOW, 'config'],
  base: [],
  flow: ['base'],
  config: ABOVE_FLOW,
  telemetry: ABOVE_FLOW,
  codec: ABOVE_FLOW,
  query: ABOVE_FLOW,
  net: CLIENTS,
  kube: [...CLIENTS, 'net'],
  deliver: [...CLIENTS, 'net'],
  store: BELOW_STORE,
  agent: PARTS,
  pipeline: PARTS,
  operator: PARTS,
  cli: PARTS,
  'console/server': PARTS,
  'console/web': ['base', 'flow', 'query', 'console/api.ts'],
  // The only place that connects components.
  commands: [...PARTS, 'agent', 'pipeline', 'operator', 'cli', 'console/server'],
  'main.ts': ['base', 'commands'],
};

function layerOf(path: string): string | undefined {
  const inside = path.slice('src/'.length);
  return Object.keys(LAYERS).find((layer) => inside === layer || inside.startsWith(`${layer}/`));
}

test('every folder imports only from the layers below it', () => {
  const offenders: string[] = [];
  for (const { file, syntax } of program.filter(({ file }) => file.path.startsWith('src/'))) {
    const layer = layerOf(file.path);
    if (layer === undefined) {
      offenders.push(`${file.path}: in no layer`);
      continue;
    }
    for (const target of importsOf(file, syntax)) {
      if (!target.startsWith('src/')) continue;
      const other = layerOf(target);
      const allowed = other === layer || (other !== undefined && LAYERS[layer]!.includes(other));
      if (!allowed) offenders.push(`${file.path} imports ${target}`);
    }
  }
  expect(offenders).toEqual([]);
});

test('schemas of stages use no package but TypeBox, and other contracts use none', () => {
  const offenders = program.flatMap(({ file, syntax }) => {
    const layer = file.path.startsWith('src/') ? layerOf(file.path) : undefined;
    if (layer === undefined || !CONTRACTS.includes(layer)) return [];
    const packages = importsOf(file, syntax).filter((target) => !target.startsWith('src/'));
    return packages
      .filter((target) => layer !== 'pipeline/options' || target !== 'typebox')
      .map((target) => `${file.path} imports ${target}`);
  });
  expect(offenders).toEqual([]);
});

test('circles are found', () => {
  const needs = {
    a: ['b'],
    b: ['c', 'd'],
    c: ['a'],
    d: ['e', 'd', 'far'],
    e: [],
    f: ['g'],
    g: ['f'],
  };
  expect(circlesOf(new Map(Object.entries(needs)))).toEqual([
    ['a', 'b', 'c'],
    ['f', 'g'],
  ]);
});

test('no file imports itself through others, types included', () => {
  const imports = typescript.map(
    ({ file, syntax }) => [file.path, importsOf(file, syntax)] as const,
  );
  expect(circlesOf(new Map(imports))).toEqual([]);
});

test('no C source of the addon calls itself through others', () => {
  const sources = files.filter(({ path }) => /^native\/.*\.c$/.test(path));
  const called = calledSources(sources);
  // A check of the check: each file uses the functions of another one.
  expect([...called.values()].filter(({ size }) => size === 0)).toEqual([]);
  expect(circlesOf(called)).toEqual([]);
});

test('base, flow, query and codec use neither packages nor, the web front end included, Node', () => {
  const offenders: string[] = [];
  for (const { file, syntax } of program) {
    const layer = file.path.startsWith('src/') ? layerOf(file.path) : undefined;
    const pure = ['base', 'flow', 'query', 'codec'].includes(layer ?? '');
    const web = layer === 'console/web' && !file.path.endsWith('vite.config.ts');
    for (const target of importsOf(file, syntax)) {
      if (target.startsWith('src/')) {
        if (web && target === 'src/flow/batch.ts') offenders.push(`${file.path} imports ${target}`);
      } else if (pure || (web && target.startsWith('node:'))) {
        offenders.push(`${file.path} imports ${target}`);
      }
    }
  }
  expect(offenders).toEqual([]);
});

test('the clock, timers and randomness come in through deps', () => {
  // Values of the outside world that only one module each may touch.
  const doors = /\b(Date\.now|performance\.now|Math\.random|setTimeout|setInterval|process\.env)\b/;
  const allowed = /^src\/(base\/clock|main)\.ts$|^src\/console\/web\//;
  const offenders = program
    .filter(({ file }) => file.path.startsWith('src/') && !allowed.test(file.path))
    .flatMap(({ file, syntax }) => {
      const found: string[] = [];
      visit(syntax, (node) => {
        if (node.type !== 'MemberExpression' && node.type !== 'CallExpression') return;
        const text = file.text.slice(node.start, node.end).split('(', 1)[0]!;
        const match = doors.exec(text);
        if (match?.index === 0) found.push(`${file.path}:${lineOf(file, node.start)} ${match[0]}`);
      });
      return [...new Set(found)];
    });
  expect(offenders).toEqual([]);
});

test('files, functions and lines are short', () => {
  const offenders: string[] = [];
  for (const { path, lines } of written) {
    if (!/\.(tsx?|c|h|sh)$/.test(path)) continue;
    if (lines.length - 1 > FILE_LINES_MAX && !(path in LONG_FILES)) {
      offenders.push(`${path}: ${lines.length - 1} lines`);
    }
    for (const [index, line] of lines.entries()) {
      const columns = line.replaceAll('\t', '    ').length;
      if (columns <= LINE_COLUMNS_MAX || UNBREAKABLE.test(line)) continue;
      offenders.push(`${path}:${index + 1}: ${columns} columns`);
    }
  }
  for (const { file, syntax } of typescript) {
    const suites = new Set<unknown>();
    visit(syntax, (node) => {
      // The body of a suite is a list of tests, not a function to follow.
      if (/^describe\b/.test(file.text.slice(node.start, node.start + 9))) {
        for (const argument of (node.arguments as readonly unknown[] | undefined) ?? []) {
          suites.add(argument);
        }
      }
      if (!isFunction(node) || suites.has(node)) return;
      const first = lineOf(file, node.start);
      const count = lineOf(file, node.end) - first + 1;
      const max = file.path.endsWith('.tsx') ? COMPONENT_LINES_MAX : FUNCTION_LINES_MAX;
      if (count > max) offenders.push(`${file.path}:${first}: ${count} lines`);
    });
  }
  expect(offenders).toEqual([]);
});

function isFunction(node: SyntaxNode): boolean {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

test('long files that are allowed exist and are still long', () => {
  const lengths = new Map(files.map(({ path, lines }) => [path, lines.length]));
  const stale = Object.keys(LONG_FILES).filter(
    (path) => (lengths.get(path) ?? 0) <= FILE_LINES_MAX,
  );
  expect(stale).toEqual([]);
});

test('file names are kebab-case', () => {
  const kebab = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
  const offenders = code
    .map(({ path }) => path)
    .filter((path) => path !== 'src/ARCHITECTURE.md')
    // An object's file name becomes a C identifier.
    .filter((path) => !kebab.test(basename(path).replaceAll(/_(?=.*\.bpf\.c$)/g, '-')));
  expect(offenders).toEqual([]);
});

test('only named exports, no barrels, nothing that types alone cannot erase', () => {
  const offenders: string[] = [];
  for (const { file, syntax } of typescript) {
    // Tools require a default export, and so does React.lazy.
    const mayDefault = /\bvite(st)?\.config\.ts$|^src\/console\/web\/.*\.tsx$/.test(file.path);
    visit(syntax, (node) => {
      const bad =
        (node.type === 'ExportDefaultDeclaration' && !mayDefault) ||
        node.type === 'ExportAllDeclaration' ||
        node.type === 'TSEnumDeclaration' ||
        (node.type === 'TSModuleDeclaration' && node.kind === 'namespace');
      if (bad) offenders.push(`${file.path}:${lineOf(file, node.start)} ${node.type}`);
    });
    const body = syntax.body as readonly SyntaxNode[];
    const reexports = body.filter((node) => node.type.startsWith('Export') && node.source != null);
    if (body.length > 0 && reexports.length === body.length) {
      offenders.push(`${file.path} only passes on what others export`);
    }
  }
  expect(offenders).toEqual([]);
});

test('no module has state that changes', () => {
  const offenders: string[] = [];
  for (const { file, syntax } of program) {
    for (const statement of syntax.body as readonly SyntaxNode[]) {
      const inner = statement.declaration as SyntaxNode | null | undefined;
      const node = inner ?? statement;
      if (node.type === 'VariableDeclaration' && node.kind !== 'const' && node.declare !== true) {
        offenders.push(`${file.path}:${lineOf(file, node.start)} ${String(node.kind)}`);
      }
    }
  }
  expect(offenders).toEqual([]);
});

test('nothing is left for later, and no trace of one machine or registry', () => {
  // In pieces, so that this file does not find itself.
  const patterns = [
    `\\b(TO${''}DO|FIX${''}ME|XX${''}X)\\b`,
    `/wor${''}k/|/ho${''}me/[a-z]+/|\\.\\./sha${''}red/`,
    `registry\\.npm${''}js|npm${''}mirror|artif${''}actory|verdac${''}cio`,
    `\\b(test|describe|it)\\.on${''}ly\\(`,
  ];
  const pattern = new RegExp(patterns.join('|'));
  const offenders = files.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 80)}`] : [],
    ),
  );
  expect(offenders).toEqual([]);
});

test('the root holds nothing but what belongs there', () => {
  const known = new Set([
    ...['package.json', 'package-lock.json', 'tsconfig.json', 'README.md', 'LICENSE'],
    ...['src', 'bpf', 'native', 'deploy', 'scripts', 'test'],
    // Made by npm and the build, ignored by git.
    ...['node_modules', 'build', 'dist', 'coverage'],
  ]);
  const offenders = readdirSync(ROOT).filter((name) => !name.startsWith('.') && !known.has(name));
  expect(offenders).toEqual([]);
});

test('ARCHITECTURE names every folder of src', () => {
  const text = files.find(({ path }) => path === 'src/ARCHITECTURE.md')?.text ?? '';
  const folders = new Set(
    files
      .map(({ path }) => dirname(path))
      .filter((path) => path.startsWith('src/'))
      .map((path) => path.slice('src/'.length)),
  );
  expect([...folders].filter((folder) => !text.includes(`\`${folder}/\``))).toEqual([]);
});

test('the lockfile names no host', () => {
  const lock = files.find(({ path }) => path === 'package-lock.json')!.text;
  expect(lock).not.toMatch(/"resolved": "https?:/);
});
