import { describe, expect, test } from 'vitest';
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument as parseYaml,
  visit,
} from 'yaml';
import { explain } from '../../../src/base/errors.ts';
import { parseDocument } from '../../../src/config/document.ts';
import type { Shape } from '../../../src/config/schema.ts';
import { checkFile } from '../../../src/pipeline/config.ts';
import { STAGE_TYPES } from '../../../src/pipeline/stages.ts';

/** The examples of all stages in one file. */
function sample(): string {
  const parameters = STAGE_TYPES.map(({ section, type, schema }) => {
    const [options] = (schema as Shape).examples ?? [{}];
    return { name: `${section}-${type}`, [section]: { type, [type]: options } };
  });
  const pipeline = parameters.map(({ name }) => ({ name, follows: 'ingest-grpc' }));
  return JSON.stringify({ 'log-level': 'info', pipeline, parameters }, null, 2);
}

const text = sample();

interface Mutant {
  readonly what: string;
  readonly text: string;
  readonly line: number;
  /** Words of the message, beside the place. */
  readonly words: readonly string[];
}

/** Keys whose neighbours are free: the names of labels, headers and the like. */
const FREE = new Set([
  ...['remap', 'headers', 'objectHeaderParameters', 'replacements', 'selector'],
  'externalLabels',
]);

/** The document with one part replaced; JSON keeps its lines. */
function replaced(range: readonly number[], by: string): string {
  return text.slice(0, range[0]) + by + text.slice(range[1]);
}

function mutants(): readonly Mutant[] {
  const lines = new LineCounter();
  const document = parseYaml(text, { lineCounter: lines });
  const found: Mutant[] = [];
  const add = (what: string, range: readonly number[], by: string, words: string[]): void => {
    const { line } = lines.linePos(range[0]!);
    found.push({ what: `${what} ${line}: ${by}`, text: replaced(range, by), line, words });
  };
  visit(document, {
    Pair(_, pair: Pair, path) {
      const { key, value } = pair;
      if (!isScalar(key) || key.range == null) return undefined;
      const name = String(key.value);
      const isFree = path.some((node) => FREE.has(keyOf(node)));
      if (!isFree) add('key', key.range, JSON.stringify(`${name}x`), [`"${name}x"`]);
      if (isFree || FREE.has(name)) return visit.SKIP;
      const isNested = isMap(value) || isSeq(value);
      if (isNested && value.range != null) {
        add('value', [value.range[0], value.range[1]], '17', ['must be', '17']);
      }
      return undefined;
    },
  });
  return found;
}

function keyOf(node: unknown): string {
  const key = (node as Partial<Pair>).key;
  return isScalar(key) ? String(key.value) : '';
}

const all = mutants();

test('there are hundreds', () => {
  expect(all.length).toBeGreaterThan(200);
});

test('the file itself is right', () => {
  expect(() => checkFile(parseDocument('file.json', text), STAGE_TYPES)).not.toThrow();
});

describe('each mistake is named with its line', () => {
  test.each(all)('$what', ({ text: wrong, line, words }) => {
    let message = '';
    try {
      checkFile(parseDocument('file.json', wrong), STAGE_TYPES);
    } catch (error) {
      message = explain(error);
    }
    const named = message.split('\n').filter((each) => each.includes(`file.json:${line}:`));
    for (const word of words) expect(named.join('\n')).toContain(word);
  });
});
