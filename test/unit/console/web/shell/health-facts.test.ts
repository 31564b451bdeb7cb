import { expect, test } from 'vitest';
import type { Accounting, StatusResponse } from '../../../../../src/console/api.ts';
import { countConcerns, fatesOf } from '../../../../../src/console/web/shell/health-facts.ts';

const BOOKS: Accounting = {
  seenPackets: 130,
  seenBytes: 13_000,
  recordedPackets: 100,
  recordedBytes: 10_000,
  sampledOutPackets: 0,
  sampledOutBytes: 0,
  filteredPackets: 0,
  filteredBytes: 0,
  unrecorded: {
    not_ip: { packets: 20, bytes: 2000 },
    map_full: { packets: 10, bytes: 1000 },
    malformed: { packets: 0, bytes: 0 },
  },
  incomplete: { message_lost: 0 },
};
const WELL: StatusResponse['agent'] = {
  isEnabled: true,
  interfaces: [],
  features: [{ name: 'rtt', state: 'on' }],
  accounting: { ...BOOKS, unrecorded: { not_ip: { packets: 20, bytes: 2000 } } },
  vitals: null,
};

test('fates add up to what was seen; those that nothing met are left out', () => {
  const fates = fatesOf(BOOKS);
  expect(fates.map(({ name }) => name)).toEqual(['recorded', 'not_ip', 'map_full']);
  expect(fates.reduce((sum, { packets }) => sum + packets, 0)).toBe(BOOKS.seenPackets);
  expect(fates.filter(({ isLoss }) => isLoss).map(({ name }) => name)).toEqual(['map_full']);
});

const STORE: StatusResponse['store'] = {
  ...{ kind: 'duckdb', isReady: true, error: '', rows: 1, sizeBytes: 1 },
  ...{ oldestMs: null, newestMs: null },
};

test.each<[string, Partial<StatusResponse['agent']>, number]>([
  ['what is no IP is no concern', {}, 0],
  ['before the start there is nothing to say', { accounting: null, features: [] }, 0],
  ['packets that were lost', { accounting: BOOKS }, 1],
  ['a feature that is missing', { features: [{ name: 'x', state: 'unavailable' }] }, 1],
  ['messages lost', { accounting: { ...WELL.accounting!, incomplete: { message_lost: 3 } } }, 1],
])('%s', (_why, changed, wanted) => {
  expect(countConcerns({ agent: { ...WELL, ...changed }, store: STORE })).toBe(wanted);
});

test('each warning of the store is a concern, and so is that it keeps nothing', () => {
  const store = { ...STORE, warnings: ['one', 'two'] };
  expect(countConcerns({ agent: WELL, store })).toBe(2);
  expect(countConcerns({ agent: WELL, store: { ...store, isReady: false } })).toBe(3);
});
