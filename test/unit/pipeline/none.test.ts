import { expect, test } from 'vitest';
import { appendRows } from '../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../support/models/interpreter/setup.ts';

test('stages of the type none pass flows on, and end them', async () => {
  const { pipeline, stores } = testPipeline({
    pipeline: [
      { name: 'same', follows: 'preset-ingester' },
      { name: 'all', follows: 'same' },
      { name: 'kept', follows: 'all' },
      { name: 'ended', follows: 'all' },
      { name: 'over', follows: 'same' },
    ],
    parameters: [
      { name: 'same', transform: { type: 'none' } },
      { name: 'all', extract: { type: 'none' } },
      { name: 'kept', write: { type: 'store', store: { name: 'a' } } },
      { name: 'ended', encode: { type: 'none' } },
      { name: 'over', write: { type: 'none' } },
    ],
  });
  await pipeline.start(new AbortController().signal);
  const rows = [{ SrcAddr: '10.0.0.1', Bytes: 7 }, { Bytes: 8 }];
  const batch = pipeline.take();
  appendRows(batch, rows);
  pipeline.emit(batch);
  await pipeline.stop();
  expect(stores.a.rows).toEqual(rows);
  for (const { name, written } of pipeline.branches()) expect([name, written]).toEqual([name, 2]);
});
