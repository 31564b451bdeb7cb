import { expect, test } from 'vitest';
import {
  hasRestarted,
  LATE,
  missingBefore,
  UNKNOWN_SEQUENCE,
} from '../../../../src/codec/exporters/session.ts';

test.each([
  ['nothing is expected yet', UNKNOWN_SEQUENCE, 77, 0],
  ['in order', 77, 77, 0],
  ['after a gap', 77, 80, 3],
  ['after a gap over the end of 32 bits', 2 ** 32 - 1, 2, 3],
  ['overtaken', 80, 77, LATE],
  ['overtaken over the end of 32 bits', 2, 2 ** 32 - 1, LATE],
  ['far ahead: counted anew', 0, 1_000_001, 0],
  ['far behind: counted anew', 1_000_000, 0, 0],
])('%s', (_what, expected, sequence, missing) => {
  expect(missingBefore(expected, sequence)).toBe(missing);
});

test.each([
  ['goes on', 5_000_000, 5_060_000, false],
  ['of a datagram that is late', 5_000_000, 4_940_000, false],
  ['of a new start', 5_000_000, 1000, true],
  ['over the end of 32 bits', 2 ** 32 - 1000, 1000, false],
])('an uptime %s', (_what, before, uptime, restarted) => {
  expect(hasRestarted(before, uptime)).toBe(restarted);
});
