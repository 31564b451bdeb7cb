import type { SourceFile } from './source-tree.ts';

/**
 * The groups of files that need each other: strongly connected components of more than one file
 * (Tarjan's algorithm). `needs`: the files that each file needs; names without their own row are
 * left out.
 */
export function circlesOf(needs: ReadonlyMap<string, Iterable<string>>): readonly string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const circles: string[][] = [];
  const see = (one: string): number => {
    const place = order.size;
    order.set(one, place);
    lowest.set(one, place);
    open.push(one);
    for (const other of needs.get(one) ?? []) {
      if (!needs.has(other)) continue;
      const found = order.has(other) ? order.get(other)! : see(other);
      if (open.includes(other))
        lowest.set(one, Math.min(lowest.get(one)!, found, lowest.get(other)!));
    }
    if (lowest.get(one) === place) {
      const circle = open.splice(open.indexOf(one));
      if (circle.length > 1) circles.push(circle.sort());
    }
    return lowest.get(one)!;
  };
  for (const one of needs.keys()) if (!order.has(one)) see(one);
  return circles.sort();
}

/** Comments, strings and character constants of C. */
const NO_CODE = /\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'/g;
/** The name of a function that other files may call, in its definition. */
const DEFINITION = /^(?!static\b)[a-z][\w \t*]*?\b(\w+)\([^;{]*\)\s*\{/gm;

/** C sources by path, each with the sources whose functions it calls or takes the address of. */
export function calledSources(
  sources: readonly SourceFile[],
): ReadonlyMap<string, ReadonlySet<string>> {
  const code = new Map(sources.map(({ path, text }) => [path, text.replaceAll(NO_CODE, ' ')]));
  const definers = new Map<string, string>();
  for (const [path, text] of code) {
    for (const [, name] of text.matchAll(DEFINITION)) definers.set(name!, path);
  }
  const called = new Map<string, ReadonlySet<string>>();
  for (const [path, text] of code) {
    const words = text.match(/\w+/g) ?? [];
    called.set(path, new Set(words.flatMap((word) => definers.get(word) ?? [])));
  }
  return called;
}
