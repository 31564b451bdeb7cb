import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { Election } from '../../../src/kube/cache/election.ts';
import { KubeClient } from '../../../src/kube/client.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { FakeApi } from '../../support/kube/fake-api.ts';
import { LeaseStore } from '../../support/kube/lease-store.ts';

const KEY = 'netobserv/lease';
/** Some tenth of the usual times. */
const TIMES = { leaseMs: 3000, renewMs: 1500, retryMs: 50 };

let store: LeaseStore;
let api: FakeApi;
let client: KubeClient;
let events: string[];
let ends: (() => Promise<void>)[];

beforeEach(async () => {
  store = new LeaseStore();
  api = new FakeApi(store.answer);
  await api.start();
  client = new KubeClient({
    server: api.url,
    credentials: () => Promise.resolve({ headers: {}, tls: {} }),
  });
  events = [];
  ends = [];
});

afterEach(async () => {
  for (const end of ends) await end();
  await client.close();
  await api.stop();
});

interface Candidate {
  readonly election: Election;
  /** As a signal to end does. */
  readonly end: () => Promise<void>;
}

function candidate(identity: string): Candidate {
  const election = new Election(
    { namespace: 'netobserv', name: 'lease', identity, ...TIMES },
    {
      client,
      clock: systemClock,
      log: createLog('silent'),
      random: () => 0,
      onLead: (isLeader) => events.push(`${identity} ${isLeader ? 'leads' : 'follows'}`),
      onFailure: () => undefined,
    },
  );
  const stopping = new AbortController();
  const run = election.run(
    (signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          events.push(`${identity} ends`);
          resolve();
        });
      }),
    stopping.signal,
  );
  const end = async (): Promise<void> => {
    stopping.abort();
    await run;
  };
  ends.push(end);
  return { election, end };
}

test('one of two leads, renews, and gives the lease back at the end', async () => {
  const a = candidate('a');
  await expect.poll(() => events).toEqual(['a leads']);
  const b = candidate('b');
  await expect.poll(() => b.election.holder).toBe('a');
  const { writes } = store;
  await expect.poll(() => writes.length).toBeGreaterThan(5);
  expect(new Set(writes)).toEqual(new Set(['a']));
  await a.end();
  expect(events.slice(0, 3)).toEqual(['a leads', 'a ends', 'a follows']);
  // It need not wait for the lease to expire.
  await expect.poll(() => events.at(-1), { timeout: TIMES.leaseMs }).toBe('b leads');
  expect(store.leases.get(KEY)!.spec).toMatchObject({
    ...{ holderIdentity: 'b', leaseDurationSeconds: 3, leaseTransitions: 1 },
    acquireTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
  });
});

test('a leader that cannot write gives up in time, and is a candidate again', async () => {
  candidate('a');
  await expect.poll(() => events).toEqual(['a leads']);
  candidate('b');
  store.cutOff.add('a');
  await expect.poll(() => events).toContain('b leads');
  // Never both: `a` ended before `b` could begin.
  expect(events.indexOf('a ends')).toBeLessThan(events.indexOf('b leads'));
  store.cutOff.clear();
  store.cutOff.add('b');
  await expect.poll(() => events.filter((event) => event === 'a leads')).toHaveLength(2);
});

test('a leader that learns of another one ends at once', async () => {
  candidate('a');
  await expect.poll(() => events).toEqual(['a leads']);
  const { metadata, spec } = store.leases.get(KEY)!;
  store.leases.set(KEY, {
    metadata: { ...metadata, resourceVersion: 'other' },
    spec: { ...spec, holderIdentity: 'thief', leaseDurationSeconds: 3600 },
  });
  await expect.poll(() => events, { timeout: TIMES.renewMs }).toContain('a ends');
});

test('an API that is away is a problem, and no reason to end', async () => {
  store.status = 500;
  const a = candidate('a');
  await expect.poll(() => a.election.problem).toMatch(/HTTP 500/);
  expect(a.election.holder).toBeUndefined();
  store.status = 200;
  await expect.poll(() => events).toEqual(['a leads']);
  expect(a.election.problem).toBe('');
});
