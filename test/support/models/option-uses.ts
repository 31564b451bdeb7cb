import { type SourceFile, type SyntaxNode, syntaxOf } from '../source-tree.ts';

/** Keys that a test file writes into configurations. */
export interface OptionUses {
  /** `parent>key`, with the name that the object is the value of; `>key` where it has none. */
  readonly keys: ReadonlySet<string>;
  /** Names and texts of the file: a test of a stage has its type among them. */
  readonly words: ReadonlySet<string>;
}

/** Lists keep the name of their parent: `rules: [{ input }]` has `rules>input`. */
const PASSED_THROUGH = new Set(['ArrayExpression', 'TSAsExpression', 'TSSatisfiesExpression']);

/** Whether the file has the option of a stage: under its parent, or in an object without one. */
export function isUsed({ keys, words }: OptionUses, type: string, option: string): boolean {
  const names = option.replaceAll('[]', '').split('.');
  const [key, parent = type] = [names.at(-1)!, names.at(-2)];
  // Below a key that only the data define.
  if (parent === '*') return words.has(names.at(-3)!) && words.has(key);
  return keys.has(`${parent}>${key}`) || (keys.has(`>${key}`) && words.has(parent));
}

/** Reads the keys of object literals, and those of YAML in templates. */
export function optionUsesOf(file: SourceFile): OptionUses {
  const keys = new Set<string>();
  const words = new Set<string>();
  walk(syntaxOf(file), '', (node, parent) => {
    if (node.type === 'Property') {
      const name = nameOf(node.key as SyntaxNode);
      if (name === undefined || node.computed === true) return;
      keys.add(`${parent}>${name}`);
      words.add(name);
    } else if (node.type === 'Literal' && typeof node.value === 'string') {
      words.add(node.value);
    } else if (node.type === 'TemplateElement') {
      const { cooked } = node.value as { readonly cooked: string };
      for (const [, key, value] of cooked.matchAll(/([\w-]+): ?([\w-]*)/g)) {
        keys.add(`>${key!}`);
        words.add(key!).add(value!);
      }
    }
  });
  return { keys, words };
}

function walk(
  node: SyntaxNode,
  parent: string,
  see: (node: SyntaxNode, parent: string) => void,
): void {
  see(node, parent);
  const own = node.type === 'Property' ? (nameOf(node.key as SyntaxNode) ?? '') : undefined;
  const keeps = node.type === 'ObjectExpression' || PASSED_THROUGH.has(node.type);
  for (const [key, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child !== 'object' || child === null || !('start' in child)) continue;
      const below = own !== undefined && key === 'value' ? own : keeps ? parent : '';
      walk(child as SyntaxNode, below, see);
    }
  }
}

function nameOf(key: SyntaxNode): string | undefined {
  if (key.type === 'Identifier') return key.name as string;
  return typeof key.value === 'string' ? key.value : undefined;
}
