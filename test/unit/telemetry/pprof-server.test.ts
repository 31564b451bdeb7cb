import { gunzipSync } from 'node:zlib';
import { Profile } from 'pprof-format';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createPprofServer } from '../../../src/telemetry/pprof-server.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function start(): Promise<string> {
  const deps = { log: createLog('silent'), clock: systemClock };
  const server = createPprofServer({ host: '127.0.0.1', port: 0 }, deps);
  cleanups.push(() => server.stop());
  await server.start(new AbortController().signal);
  return `http://127.0.0.1:${server.port()}/debug/pprof`;
}

async function profileOf(response: Response): Promise<Profile> {
  expect(response.status).toBe(200);
  return Profile.decode(gunzipSync(await response.arrayBuffer()));
}

/** The innermost functions of a profile's stacks, with the sum of their last value. */
function selfValues(profile: Profile): ReadonlyMap<string, number> {
  const { strings } = profile.stringTable;
  const names = new Map(
    profile.function.map(({ id, name }) => [Number(id), strings[Number(name)]!]),
  );
  const sums = new Map<string, number>();
  for (const { locationId, value } of profile.sample) {
    const name = names.get(Number(locationId[0]))!;
    sums.set(name, (sums.get(name) ?? 0) + Number(value.at(-1)));
  }
  return sums;
}

/** A CPU profile is being taken. */
async function untilBusy(base: string): Promise<void> {
  // Requests 0 seconds: no profile that could itself be the running one.
  await expect.poll(async () => (await fetch(`${base}/profile?seconds=0`)).status).toBe(409);
}

test('a CPU profile names the function that uses it, and how long it does', async () => {
  const base = await start();
  const askedMs = performance.now();
  const asked = fetch(`${base}/profile?seconds=2`);
  // V8 has no names for functions that were being optimized when the profile began.
  await untilBusy(base);
  let spentMs = 0;
  const working = setInterval(function keepBusy() {
    const startMs = performance.now();
    let sum = 0;
    for (let i = 0; i < 5_000_000; i++) sum += Math.sqrt(sum + i);
    spentMs += performance.now() - startMs;
    return sum;
  }, 20);
  cleanups.push(() => clearInterval(working));
  const profile = await profileOf(await asked);
  const { strings } = profile.stringTable;
  const types = profile.sampleType.map(({ type, unit }) =>
    [type, unit].map((at) => strings[Number(at)]),
  );
  expect(types).toEqual([
    ['samples', 'count'],
    ['cpu', 'nanoseconds'],
  ]);
  const busyMs = selfValues(profile).get('keepBusy')! / 1e6;
  // Samples come late on a busy machine: the unit is right, and most of the time is there.
  expect(busyMs).toBeGreaterThan(0.2 * spentMs);
  expect(busyMs).toBeLessThan(5 * spentMs);
  const durationMs = Number(profile.durationNanos) / 1e6;
  expect(durationMs).toBeGreaterThan(1900);
  expect(durationMs).toBeLessThan(performance.now() - askedMs);
});

function keepMemory(into: unknown[]): void {
  for (let i = 0; i < 300_000; i++) into.push({ i, text: `number ${i}` });
}

test('a heap profile names the function that allocated what is in use', async () => {
  const base = await start();
  const kept: unknown[] = [];
  keepMemory(kept);
  const profile = await profileOf(await fetch(`${base}/heap`));
  expect(kept).toHaveLength(300_000);
  expect(selfValues(profile).get('keepMemory')).toBeGreaterThan(5e6);
});

test('one CPU profile at a time; one that nobody waits for any more makes room', async () => {
  const base = await start();
  const waiting = new AbortController();
  const first = fetch(`${base}/profile?seconds=120`, { signal: waiting.signal });
  await untilBusy(base);
  waiting.abort();
  await expect(first).rejects.toThrow();
  await expect
    .poll(async () => (await fetch(`${base}/profile?seconds=1`)).status, { timeout: 10_000 })
    .toBe(200);
});

test('the end of the program does not wait for a profile', async () => {
  const base = await start();
  const profile = fetch(`${base}/profile?seconds=120`).catch(() => 'cut off');
  await untilBusy(base);
  for (const cleanup of cleanups.splice(0)) await cleanup();
  expect(await profile).toBe('cut off');
});

test.each([
  ['/', 200],
  ['/profile?seconds=0', 400],
  ['/profile?seconds=121', 400],
  ['/profile?seconds=1.5', 400],
  ['/profile?seconds=', 400],
  ['/goroutine', 404],
])('%s is answered %i', async (path, status) => {
  const response = await fetch((await start()) + path);
  expect(response.status).toBe(status);
  expect((await response.text()).length).toBeGreaterThan(10);
});
