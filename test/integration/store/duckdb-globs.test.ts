import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Filter } from '../../../src/query/ast.ts';
import type { FlowStore } from '../../../src/store/store.ts';
import { openStore } from '../../support/store/duckdb-store.ts';

const { signal } = new AbortController();
const START_MS = 1_795_000_000_000;
const RANGE = { startMs: START_MS, endMs: START_MS + 1000 };
const LONG = 'a'.repeat(250);

async function found(store: FlowStore, key: string, glob: string): Promise<unknown[]> {
  const values = [{ kind: 'pattern' as const, text: glob }];
  const filter: Filter = { kind: 'match', key, operator: '=', values };
  const { rows } = await store.records(
    { range: RANGE, filter, packetLoss: 'all', limit: 1000, fields: [key] },
    signal,
  );
  return rows.map((row) => row[key]);
}

/** Leftmost matches, piece by piece, over texts of one case. */
function matches(glob: string, text: string): boolean {
  const [first = '', ...rest] = glob.split('*');
  if (rest.length === 0) return glob === text;
  if (!text.startsWith(first)) return false;
  const last = rest.pop() ?? '';
  let at = first.length;
  for (const piece of rest) {
    const next = text.indexOf(piece, at);
    if (next === -1) return false;
    at = next + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

test('globs match what a search from left to right finds', async () => {
  await using opened = await openStore();
  const texts = fc.sample(
    fc.string({
      unit: fc.constantFrom('a', 'b', '_', '%', '\\', 'ä', '😀'),
      minLength: 1,
      maxLength: 9,
    }),
    { numRuns: 300, seed: 5 },
  );
  await opened.append(
    texts.map((text) => ({ TimeFlowEndMs: START_MS, SrcK8S_Namespace: text, Interfaces: [text] })),
  );
  const globs = fc.string({
    unit: fc.constantFrom('a', 'b', '_', '%', '\\', 'ä', '😀', '*', '*'),
    minLength: 1,
    maxLength: 9,
  });
  await fc.assert(
    fc.asyncProperty(globs, async (body) => {
      const glob = body.includes('*') ? body : `${body}*`;
      const wanted = texts.filter((text) => matches(glob, text)).sort();
      expect((await found(opened.store, 'SrcK8S_Namespace', glob)).sort()).toEqual(wanted);
      const lists = (await found(opened.store, 'Interfaces', glob)) as string[][];
      expect(lists.map(([text]) => text).sort()).toEqual(wanted);
    }),
    { numRuns: 60 },
  );
}, 180_000);

test.each(['SrcK8S_Namespace', 'Interfaces'])(
  'many wildcards on many long texts of %s take little time',
  async (key) => {
    await using opened = await openStore();
    for (let from = 0; from < 12_000; from += 3000) {
      const rows = Array.from({ length: 3000 }, (_, index) => {
        const text = `${LONG}${from + index}`;
        return {
          TimeFlowEndMs: START_MS,
          ...(key === 'Interfaces' ? { Interfaces: [text] } : { SrcK8S_Namespace: text }),
        };
      });
      await opened.append(rows);
    }
    const beganMs = performance.now();
    for (const count of [4, 30, 240, 2000]) {
      expect(await found(opened.store, key, `${'*a'.repeat(count)}*b`)).toEqual([]);
      expect(await found(opened.store, key, `a${'*a'.repeat(count)}b`)).toEqual([]);
    }
    // With LIKE, five wildcards take minutes on one text.
    expect(performance.now() - beganMs).toBeLessThan(20_000);
  },
);
