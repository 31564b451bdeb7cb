import { expect, test } from 'vitest';
import { appendRows } from '../../../../support/models/interpreter/rows.ts';
import { testPipeline } from '../../../../support/models/interpreter/setup.ts';

const decode = (input: string, output: string) => ({
  transform: {
    type: 'network',
    network: { rules: [{ type: 'decode_tcp_flags', decode_tcp_flags: { input, output } }] },
  },
});

test('names are those of the flags that a flow has now, not of flags that were removed', async () => {
  const remove = [{ type: 'remove_field', removeField: { input: 'Flags' } }];
  const { pipeline, stores } = testPipeline({
    pipeline: [
      { name: 'first', follows: 'preset-ingester' },
      { name: 'kept', follows: 'first' },
      { name: 'remove', follows: 'first' },
      { name: 'again', follows: 'remove' },
      { name: 'lost', follows: 'again' },
    ],
    parameters: [
      { name: 'first', ...decode('Flags', 'FlagNames') },
      { name: 'remove', transform: { type: 'filter', filter: { rules: remove } } },
      { name: 'again', ...decode('Flags', 'FlagNames') },
      { name: 'kept', write: { type: 'store', store: { name: 'a' } } },
      { name: 'lost', write: { type: 'store', store: { name: 'b' } } },
    ],
  });
  await pipeline.start(new AbortController().signal);
  const batch = pipeline.take();
  appendRows(batch, [{ Flags: 0x102 }]);
  pipeline.emit(batch);
  await pipeline.stop();

  expect(stores.a.rows).toEqual([{ Flags: 0x102, FlagNames: ['SYN', 'SYN_ACK'] }]);
  expect(stores.b.rows).toEqual([{}]);
});
