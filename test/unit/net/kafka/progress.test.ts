import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PartitionProgress } from '../../../../src/net/kafka/progress.ts';

test('an offset is committed when everything before it is settled', () => {
  const progress = new PartitionProgress();
  const [first, second, third] = [10, 17, 30].map((end) => progress.begin(end));
  expect(progress.uncommitted).toBeUndefined();
  progress.settle(second!);
  expect(progress.uncommitted).toBeUndefined();
  progress.settle(first!);
  expect(progress.uncommitted).toBe(17);
  progress.committed(17);
  expect(progress.uncommitted).toBeUndefined();
  progress.settle(third!);
  expect(progress.uncommitted).toBe(30);
});

test('a failed commit is repeated with what has been settled since', () => {
  const progress = new PartitionProgress();
  progress.settle(progress.begin(5));
  expect(progress.uncommitted).toBe(5);
  progress.settle(progress.begin(8));
  expect(progress.uncommitted).toBe(8);
});

test('a topic that was created again is committed at its new offsets', () => {
  const progress = new PartitionProgress();
  progress.settle(progress.begin(1000));
  progress.committed(1000);
  progress.settle(progress.begin(3));
  expect(progress.uncommitted).toBe(3);
});

test('in any order of settling, the offset is that of the settled beginning', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 30 }),
      fc.infiniteStream(fc.nat()),
      (sizes, picks) => {
        const progress = new PartitionProgress();
        let end = 0;
        const pieces = sizes.map((size) => {
          end += size;
          return progress.begin(end);
        });
        const waiting = new Set(pieces);
        while (waiting.size > 0) {
          const piece = [...waiting][picks.next().value! % waiting.size]!;
          waiting.delete(piece);
          progress.settle(piece);
          const firstOpen = pieces.findIndex((one) => waiting.has(one));
          const settled = firstOpen === -1 ? pieces : pieces.slice(0, firstOpen);
          expect(progress.uncommitted).toBe(settled.at(-1)?.end);
        }
      },
    ),
  );
});
