import { expect, test } from 'vitest';
import { fieldsOfNamed } from '../../../../src/agent/features/table.ts';

test.each([
  ['none', [], []],
  ['one that fills no column of its own', ['drop-rules'], []],
  ['several gates of one feature', ['network-events'], ['networkEvents', 'pktDrop']],
  [
    'a gate that two features open, once',
    ['drops', 'network-events'],
    ['pktDrop', 'networkEvents'],
  ],
])('gates of named features: %s', (_why, names, wanted) => {
  expect(fieldsOfNamed(names)).toEqual(wanted);
});
