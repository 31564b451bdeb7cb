import fc from 'fast-check';
import { expect, test } from 'vitest';
import { amountOf, runsOf } from '../../../src/deliver/runs.ts';
import { TableSpace } from '../../../src/flow/intern.ts';
import { batchOf } from '../../../src/flow/row.ts';
import { layoutFor } from '../../../src/flow/schema.ts';

function offsetsOf(sizes: readonly number[]): Uint32Array {
  const offsets = new Uint32Array(sizes.length + 1);
  for (const [index, size] of sizes.entries()) offsets[index + 1] = offsets[index]! + size;
  return offsets;
}

test.each([
  // why, sizes, most flows, most bytes, ends of the runs
  ['none', [], 10, 100, []],
  ['all fit', [10, 10, 10], 10, 100, [3]],
  ['cut by flows', [1, 1, 1, 1, 1], 2, 100, [2, 4, 5]],
  ['cut by bytes', [40, 40, 40, 40], 10, 100, [2, 4]],
  ['exactly full', [50, 50, 50, 50], 10, 100, [2, 4]],
  ['too large by itself', [10, 500, 10], 10, 100, [1, 2, 3]],
])('%s', (_why, sizes, flowsMax, bytesMax, ends) => {
  const runs = runsOf(offsetsOf(sizes), sizes.length, flowsMax, bytesMax);
  expect(runs.map(({ to }) => to)).toEqual(ends);
});

test('runs follow each other, have no gaps and keep to the limits', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 9 }), fc.nat(900), (all, flowsMax, bytesMax) => {
      const offsets = offsetsOf(all);
      let at = 0;
      for (const { from, to } of runsOf(offsets, all.length, flowsMax, bytesMax)) {
        expect(from).toBe(at);
        expect(to - from).toBeGreaterThan(0);
        expect(to - from).toBeLessThanOrEqual(flowsMax);
        if (to - from > 1) expect(offsets[to]! - offsets[from]!).toBeLessThanOrEqual(bytesMax);
        at = to;
      }
      expect(at).toBe(all.length);
    }),
  );
});

test('what is in a run: of the selected rows, absent values being nothing', () => {
  const rows = [
    { Bytes: 1, Packets: 10 },
    { Bytes: 2 },
    { Packets: 30 },
    { Bytes: 4, Packets: 40 },
  ];
  const tables = new TableSpace().current;
  const batch = batchOf(layoutFor(['Bytes', 'Packets']), tables, rows);
  expect(amountOf(batch, { from: 1, to: 4 })).toEqual({ flows: 3, packets: 70, bytes: 6 });

  batch.selection = Uint32Array.from([0, 3]);
  expect(amountOf(batch, { from: 1, to: 2 })).toEqual({ flows: 1, packets: 40, bytes: 4 });

  const bare = batchOf(layoutFor(['SrcPort']), tables, [{ SrcPort: 1 }]);
  expect(amountOf(bare, { from: 0, to: 1 })).toEqual({ flows: 1, packets: 0, bytes: 0 });
});
