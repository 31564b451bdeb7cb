import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { en } from '../../../../../src/console/web/i18n/en.ts';

const WEB = join(import.meta.dirname, '../../../../../src/console/web');

/** Keys that the components request; a `${…}` in a key matches any words. */
function usedKeys(): readonly string[] {
  const keys = new Set<string>();
  for (const entry of readdirSync(WEB, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.tsx?$/.test(entry.name)) continue;
    const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
    for (const match of text.matchAll(/\bt\(\s*(['`])([\w.${}]+)\1/g)) keys.add(match[2]!);
  }
  return [...keys];
}

function leaves(node: object, prefix = ''): readonly string[] {
  return Object.entries(node).flatMap(([name, value]) =>
    typeof value === 'string' ? [prefix + name] : leaves(value as object, `${prefix}${name}.`),
  );
}

const texts = leaves(en);

/** The texts that a key may mean: a hole matches words, plurals have two endings. */
function patternOf(key: string): RegExp {
  const parts = key.split(/\$\{[^}]+\}/).map((part) => part.replaceAll('.', '\\.'));
  return new RegExp(`^${parts.join('.+')}(_one|_other)?$`);
}

test('every text that a component asks for exists', () => {
  const keys = usedKeys();
  expect(keys.length).toBeGreaterThan(50);
  const missing = keys.filter((key) => !texts.some((text) => patternOf(key).test(text)));
  expect(missing).toEqual([]);
});

test('every text is asked for by some component', () => {
  const patterns = usedKeys().map(patternOf);
  expect(texts.filter((text) => !patterns.some((pattern) => pattern.test(text)))).toEqual([]);
});
