import { expect, test } from 'vitest';
import { cleanMappings, keepMemorySmall } from '../../../../src/commands/daemon/memory.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const mapping = (range: string, rights: string, path: string, anonymousKb: number): string =>
  `${range} ${rights} 00000000 fe:00 1234       ${path}
Size:               8 kB
Rss:                8 kB
Anonymous:          ${anonymousKb} kB
VmFlags: rd mr mw me`;

const SMAPS = [
  mapping('400000-402000', 'r--p', '/usr/bin/netobserv', 0),
  mapping('402000-404000', 'r-xp', '/usr/bin/netobserv', 0),
  // Relocations were written before it became read-only.
  mapping('404000-406000', 'r--p', '/usr/bin/netobserv', 4),
  mapping('406000-408000', 'rw-p', '/usr/bin/netobserv', 0),
  mapping('7ffff0000000-7ffff0002000', 'r--p', '/lib/with a space.so (deleted)', 0),
  mapping('7ffff7fc0000-7ffff7fc2000', 'r-xp', '[vdso]', 0),
  '7ffff7000000-7ffff7002000 r--p 00000000 00:00 0 \nAnonymous:          0 kB',
].join('\n');

test('clean mappings are those of files that nobody has written to', () => {
  expect(cleanMappings(SMAPS)).toEqual([
    { from: 0x400000, to: 0x402000 },
    { from: 0x402000, to: 0x404000 },
    { from: 0x7ffff0000000, to: 0x7ffff0002000 },
  ]);
  expect(cleanMappings('')).toEqual([]);
});

test('what is used up is collected all along, until the end', async () => {
  const clock = new ManualClock();
  const done: string[] = [];
  let bytes = 50e6;
  let roomBytes = 8e6;
  const memory = keepMemorySmall({
    clock,
    exposeCollection: () => ({
      collect: ({ type, flavor = type }) => done.push(flavor),
      bytes: () => bytes,
      roomBytes: () => roomBytes,
    }),
    native: {
      releasePages: (from, to) => done.push(`${from.toString(16)}-${to.toString(16)}`),
      trimHeap: () => done.push('trim'),
    },
    log: createLog('silent'),
    read: () => mapping('400000-402000', 'r-xp', '/usr/bin/netobserv', 0),
  });
  await memory.start(new AbortController().signal);
  expect(done.splice(0)).toEqual(['major', '400000-402000', 'trim']);
  await clock.advance(2000);
  expect(done.splice(0)).toEqual(['minor', 'trim', 'minor', 'trim']);
  // Growth by a fifth; what is left then is the new measure.
  for (const [now, collected] of [
    [60e6, ['minor', 'trim']],
    [61e6, ['minor', 'major', 'trim']],
    [72e6, ['minor', 'trim']],
    [74e6, ['minor', 'major', 'trim']],
  ] as const) {
    bytes = now;
    await clock.advance(1000);
    expect(done.splice(0)).toEqual(collected);
  }
  // Pages with much room are joined.
  [bytes, roomBytes] = [90e6, 9e6];
  await clock.advance(1000);
  expect(done.splice(0)).toEqual(['minor', 'major', 'last-resort', 'trim']);
  await memory.stop();
  await clock.advance(2000);
  expect(done).toEqual([]);
});
