import { expect, test } from 'vitest';
import { LIFETIME_MS } from '../../../../src/codec/exporters/session.ts';
import type { SavedDomain } from '../../../../src/codec/netflow/saved-templates.ts';
import { DOMAINS_MAX } from '../../../../src/codec/netflow/templates.ts';
import {
  ipfix,
  octets,
  set,
  template,
  testReader,
  v4,
} from '../../../support/codec/netflow-bytes.ts';

const WALL_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;

/** Variable lengths, and an element of an enterprise. */
const TEMPLATE = template(256, [
  [8, 4],
  [1, 4],
  [95, 65_535],
  [7, 2, 9],
]);
const DATA = set(
  256,
  Buffer.concat([v4('192.0.2.7'), octets([4, 40], [1, 3]), Buffer.from('abc'), octets([2, 5])]),
);

test('another reader reads on where the first one was', () => {
  const first = testReader();
  const { rows } = first.read(ipfix({ domain: 3 }, set(2, TEMPLATE), DATA), { nowMs: 5000 });
  const saved = first.reader.save({ wallMs: WALL_MS, nowMs: 65_000 });
  expect(saved).toMatchObject([
    { key: '10/192.0.2.1/2055/3', templates: [{ seenMs: WALL_MS - 60_000 }] },
  ]);

  // As a file keeps it, and with another start of the monotonic clock.
  const restored = JSON.parse(JSON.stringify(saved)) as readonly SavedDomain[];
  const second = testReader();
  const times = { wallMs: WALL_MS + 1000, nowMs: 20 };
  expect(second.reader.restore(restored, times)).toBe(0);
  expect(second.read(ipfix({ domain: 3 }, DATA), { nowMs: 20 })).toMatchObject({ rows });
  expect(second.read(ipfix({ domain: 4 }, DATA), { nowMs: 20 }).unknownSets).toBe(1);
  expect(second.read(ipfix({ domain: 3 }, DATA), { nowMs: 20, port: 9 }).unknownSets).toBe(1);
  expect(second.reader.save(times)).toEqual(saved);

  // The age goes on: two hours after they were sent last, templates are forgotten.
  const late = LIFETIME_MS - 61_000 + 20 + 60_000;
  second.read(ipfix({ domain: 9 }, DATA), { nowMs: late });
  expect(second.reader.sizes).toMatchObject({ templates: 0 });
});

test('changes are counted when there is something else to save', () => {
  const { reader, read } = testReader();
  const changes = (): number => reader.changes;
  const none = changes();
  read(ipfix({}, set(2, TEMPLATE)));
  const some = changes();
  expect(some).toBeGreaterThan(none);
  read(ipfix({}, set(2, TEMPLATE), DATA));
  expect(changes()).toBe(some);
});

test('a clock that was put back makes no template younger than now', () => {
  const { reader } = testReader();
  const octetsOf = Buffer.from(TEMPLATE).toString('base64');
  const templates = [{ isOptions: false, octets: octetsOf, seenMs: WALL_MS + DAY_MS }];
  const rest = { uptimeMs: 0, systemInitMs: 0, rate: 0, samplers: [] };
  const saved = [{ key: '10/192.0.2.1/2055/1', ...rest, templates }];
  expect(reader.restore(saved, { wallMs: WALL_MS, nowMs: 0 })).toBe(0);
  const [domain] = reader.save({ wallMs: WALL_MS, nowMs: 0 });
  expect(domain?.templates).toMatchObject([{ seenMs: WALL_MS }]);
});

test('any saved octets are read as those of a datagram are: nothing is thrown, all is bounded', () => {
  const { reader } = testReader();
  let state = 7;
  const random = (): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state;
  };
  const rest = { uptimeMs: 0, systemInitMs: 0, rate: 0, samplers: [] };
  for (let round = 0; round < DOMAINS_MAX + 100; round++) {
    const bytes = Buffer.from(Array.from({ length: random() % 60 }, () => random() & 0xff));
    // Often a good one, with an octet changed.
    const text = random() % 2 === 0 ? bytes : Buffer.from(TEMPLATE);
    if (text.length > 0) text[random() % text.length] = random() & 0xff;
    const one = { octets: text.toString('base64'), seenMs: WALL_MS, isOptions: random() % 2 === 0 };
    const key = `${9 + (random() % 2)}/192.0.2.1/0/${round}`;
    reader.restore([{ key, ...rest, templates: [one] }], { wallMs: WALL_MS, nowMs: 0 });
  }
  expect(reader.sizes.domains).toBeLessThanOrEqual(DOMAINS_MAX);
});
